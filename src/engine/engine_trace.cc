#include "engine/engine_trace.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "base/status_macros.h"

namespace baton::engine {
namespace {

// How soon a trace notices that nobody waits for it: cancellation is a flag, not an event.
constexpr absl::Duration kLook = absl::Milliseconds(20);

}  // namespace

absl::Status EngineTrace::Begin(std::string_view id) {
  base::MutexLock lock(mutex_);
  if (is_stopped_) return absl::UnavailableError("the server is shutting down");
  if (is_running_) return absl::InternalError("Another profiling session active.");
  is_running_ = true;
  is_ended_ = false;
  id_ = std::string(id);
  return absl::OkStatus();
}

absl::StatusOr<Engine*> EngineTrace::Start(const std::string& options) const {
  for (Engine* engine : engines_->Loaded()) {
    const absl::Status status = engine->Query("profile_start", {{"options", options}}).status();
    if (status.ok()) return engine;
    if (!absl::IsUnimplemented(status)) return status;
  }
  return absl::UnavailableError("no engine in use can be traced");
}

absl::Status EngineTrace::Wait(const Request& request) {
  const absl::Time end = absl::Now() + request.duration;
  base::MutexLock lock(mutex_);
  while (!is_ended_ && !is_stopped_) {
    if (request.is_cancelled()) return absl::CancelledError("nobody waits for the trace");
    const absl::Time now = absl::Now();
    if (now >= end) break;
    changed_.WaitUntil(mutex_, std::min(end, now + kLook));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> EngineTrace::Take(const Request& request) {
  absl::StatusOr<std::string> trace = Trace(request);
  base::MutexLock lock(mutex_);
  is_running_ = false;
  return trace;
}

absl::StatusOr<std::string> EngineTrace::Trace(const Request& request) {
  BATON_ASSIGN_OR_RETURN(Engine * engine, Start(request.options));
  const absl::Status waited = Wait(request);
  absl::StatusOr<std::string> trace = engine->Query("profile_collect", {});  // also ends it
  if (!waited.ok()) return waited;
  return trace;
}

void EngineTrace::End(std::string_view id) {
  base::MutexLock lock(mutex_);
  if (!is_running_ || id_ != id) return;
  is_ended_ = true;
  changed_.NotifyAll();
}

void EngineTrace::Stop() {
  base::MutexLock lock(mutex_);
  is_stopped_ = true;
  changed_.NotifyAll();
}

}  // namespace baton::engine
