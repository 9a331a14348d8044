#pragma once

#include <google/protobuf/message.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lifecycle/config_applier.h"
#include "lifecycle/model_config.h"
#include "server/options.h"

namespace baton::server {

// A text file as TensorFlow Serving's start-up reads it. Errors: kNotFound "<path>; No such file or
// directory" and the like; kInvalidArgument "<path>; Invalid argument" for zero bytes (contract
// §1.3).
absl::StatusOr<std::string> ReadTextFile(const std::string& path);

// A file with a text-format message. Errors: those of ReadTextFile and of ParseTextProto.
absl::Status ReadTextProto(const std::string& path, google::protobuf::Message* message);

// --model_config_file. Nothing: the file has no list of models, which is not the same as an empty
// one (contract §5.7, step 2).
absl::StatusOr<std::optional<lifecycle::ModelConfigs>> ReadModelConfigFile(const std::string& path);

// What the flags ask for: the file's models, or the single model of --model_name and
// --model_base_path.
absl::StatusOr<std::optional<lifecycle::ModelConfigs>> InitialModels(const Options& options);

// Reads the file again every `period` and applies it, changed or not; errors are logged and the old
// models stay.
//
// Threads: its own. Owner: Server; borrows the applier, which outlives it. Destruction waits for
// the thread.
class ConfigFilePoller {
 public:
  // `had_list`: what the file was when it was read at the start.
  ConfigFilePoller(std::string path, absl::Duration period, bool had_list,
                   lifecycle::ConfigApplier* applier);
  ~ConfigFilePoller();

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace baton::server
