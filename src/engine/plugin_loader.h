#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "baton/engine_abi.h"

namespace baton::engine {

// Loads the plug-in `file` into the process, for good: plug-ins are never closed, so the table
// lives as long as the process. Loading the same file again gives the same table. Thread-safe.
//
// Errors: kNotFound when there is no such file, kFailedPrecondition when it cannot be loaded or
// speaks another version of the engine ABI; the message names the file and both versions.
absl::StatusOr<const baton_engine_api*> LoadPlugin(const std::string& file);

// Whether the host can use a table that `file` handed out.
absl::Status CheckEngineTable(const baton_engine_api* api, const std::string& file);

}  // namespace baton::engine
