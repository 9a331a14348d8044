#pragma once

#include <cstdint>
#include <string>

#include "baton/engine_sdk.h"
#include "tensorflow/core/protobuf/config.pb.h"

namespace baton::tf_engine {

// How the session of one model is made and how its runs use threads: what the operator chose, over
// what the engine needs.
struct SessionSettings {
  tensorflow::ConfigProto config;
  // Threads inside the kernels of a run; 0: as many as the host grants the run.
  uint32_t intra_op_threads = 0;
  // Kernels of a run go through the session's inter-op pool, and a deadline stops it; otherwise
  // they run one after the other in the calling thread.
  bool uses_inter_op_pool = false;
};

// From the options of a load (docs/engine_abi.md) and the model's own
// assets.extra/saved_model_config.pb in the folder `path`. What has no effect is named in the log,
// once.
//
// Errors: INVALID_ARGUMENT for an option that cannot be read; a model's file that cannot be read is
// only logged.
sdk::Result<SessionSettings> ReadSessionSettings(const std::string& path,
                                                 const sdk::Options& options);

}  // namespace baton::tf_engine
