#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "scheduling/batching_options.h"
#include "server/options.h"

namespace baton::server {

// How versions are loaded and run: what --platform_config_file says or, without one, the batching,
// session, warm-up and TFLite flags and the files they name (contract §1.3).
struct LoadSettings {
  // Model platforms that a configuration may name.
  std::set<std::string> platforms;
  // For the engine's Load.
  engine::EngineOptions engine;
  // Absent: no batching.
  std::optional<scheduling::BatchingOptions> batching;  // Validate() is the load's business
  bool per_model_batching = false;  // batching_params.pbtxt in the version directory decides
  // Every load fails: TensorFlow Serving never implemented enable_saved_model_config (Q38).
  bool refuses_loads = false;
  bool warmup = true;
  int64_t warmup_iterations = 1;
  int64_t warmup_threads = 1;
  std::string saved_model_tags = "serve";
  bool prefer_tflite_model = false;
  int64_t tflite_interpreters_per_pool = 1;
  // Threads a run may use inside an operator; 1: its own.
  uint32_t threads_per_run = 1;
};

// Errors: those of the files, kInvalidArgument for settings that contradict each other. Settings
// without effect here are named in the log, once.
absl::StatusOr<LoadSettings> ReadLoadSettings(const Options& options);

// batching_params.pbtxt of a version directory: the global settings' pool with the version's
// parameters (contract §6.5). Empty when there is no such file.
absl::StatusOr<std::optional<scheduling::BatchingOptions>> ReadModelBatching(
    const std::string& version_dir, const scheduling::BatchingOptions& global);

}  // namespace baton::server
