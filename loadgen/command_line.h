#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "loadgen/load.h"

namespace baton::loadgen {

struct CommandLine {
  LoadOptions load;
  bool json = false;
};

// "--name=value" or "--name value". Errors: kInvalidArgument naming the flag; kNotFound or
// kUnavailable for files.
absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments);

// Every flag with its meaning and default.
std::string_view Usage();

// The whole program: parses, runs, prints. Returns the exit status: 0 when every answer was good, 1
// when some were not or nothing could be run, 2 for a bad command line.
int RunCommandLine(const std::vector<std::string>& arguments);

}  // namespace baton::loadgen
