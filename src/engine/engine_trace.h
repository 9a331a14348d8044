#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "engine/engine_registry.h"

namespace baton::engine {

// Traces what an engine in use does for a while, one trace at a time: the first engine that can is
// the one.
//
// Threads: thread-safe; Take blocks for the length of the trace. Owner: whoever serves profiles;
// borrows the registry. Errors: kInternal with TensorFlow's text when a trace is running,
// kUnavailable when no engine in use can be traced, kCancelled when nobody waits for it any more,
// the engine's own.
class EngineTrace {
 public:
  explicit EngineTrace(const EngineRegistry* engines) : engines_(engines) {}

  struct Request {
    std::string options = {};  // a serialized tensorflow.ProfileOptions
    absl::Duration duration;
    std::function<bool()> is_cancelled = [] { return false; };
  };

  // Takes the only place; cheap. `id` is for End.
  absl::Status Begin(std::string_view id);
  // A serialized tensorflow.profiler.XSpace; empty when nothing happened. REQUIRES: Begin succeeded
  // and Take was not called since.
  absl::StatusOr<std::string> Take(const Request& request);

  // Ends the trace `id` now, with what it has.
  void End(std::string_view id);
  // Ends whatever runs and refuses what comes.
  void Stop();

 private:
  absl::StatusOr<Engine*> Start(const std::string& options) const;
  absl::Status Wait(const Request& request);
  absl::StatusOr<std::string> Trace(const Request& request);

  const EngineRegistry* const engines_;
  base::Mutex mutex_;
  base::CondVar changed_;
  bool is_running_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::string id_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton::engine
