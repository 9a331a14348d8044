#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "baton/engine_sdk.h"
#include "tensorflow/core/profiler/lib/profiler_session.h"

namespace baton::tf_engine {

// Traces what TensorFlow does in this process, one trace at a time.
//
// Threads: thread-safe; Collect blocks while the trace is put together. Owner: the engine. Errors:
// INVALID_ARGUMENT for options that cannot be read, TensorFlow's text when it traces already,
// FAILED_PRECONDITION for a collection without a start.
class Tracer {
 public:
  // `options`: a serialized tensorflow.ProfileOptions; empty: TensorFlow's defaults.
  sdk::Status Start(std::string_view options);
  // Ends the trace. A serialized tensorflow.profiler.XSpace; empty when nothing happened.
  sdk::Result<std::string> Collect();

 private:
  std::mutex mutex_;
  std::unique_ptr<tsl::ProfilerSession> session_;  // guarded by mutex_
};

}  // namespace baton::tf_engine
