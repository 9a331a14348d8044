#include "predict/call.h"

#include "base/check.h"

namespace baton::predict {

ResponseSink& ResponseSink::operator=(ResponseSink&& other) noexcept {
  if (this != &other) {
    ResponseSink old(std::move(*this));  // an unfinished one answers when it dies
    callback_ = std::exchange(other.callback_, nullptr);
    lease_ = std::move(other.lease_);
  }
  return *this;
}

ResponseSink::~ResponseSink() {
  if (callback_) Finish(absl::InternalError("the request was dropped without an answer"));
}

void ResponseSink::Finish(absl::StatusOr<PredictResponse> result) {
  BATON_CHECK(callback_);
  // Both leave this object first: the callback may destroy whatever holds the sink.
  const std::shared_ptr<const void> lease = std::move(lease_);
  Callback callback = std::exchange(callback_, nullptr);
  std::move(callback)(std::move(result));
}

absl::Status TimedOut() {
  return absl::DeadlineExceededError("Timed out waiting for notification");
}

absl::Status CheckAwaited(const CallContext& context, absl::Time now) {
  if (context.cancelled()) return absl::CancelledError("the caller has given up");
  if (context.deadline <= now) return TimedOut();
  return absl::OkStatus();
}

}  // namespace baton::predict
