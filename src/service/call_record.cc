#include "service/call_record.h"

namespace baton::service {

predict::CallContext CallRecord::context() const {
  return {.arrival = options_.arrival,
          .deadline = options_.deadline,
          .cancellation = cancellation_,
          .may_run_inline = true};
}

void CallRecord::SetServable(std::string_view model, int64_t version, std::string_view signature) {
  model_ = model;
  version_ = version;
  signature_ = signature;
}

bool CallRecord::Finish(absl::StatusCode code) {
  if (is_finished_.exchange(true)) return false;
  // When the deadline answered first the client saw a timeout, whatever became of the work.
  const absl::Time now = absl::Now();
  const bool is_late = now >= options_.deadline &&
                       (code == absl::StatusCode::kOk || code == absl::StatusCode::kCancelled);
  metrics_->Record({.model = model_,
                    .version = version_,
                    .signature = signature_,
                    .method = options_.method,
                    .entrypoint = options_.entrypoint,
                    .code = is_late ? absl::StatusCode::kDeadlineExceeded : code,
                    .latency = now - options_.arrival,
                    .requested_model = requested_model_,
                    .run_latency = run_latency_});
  return true;
}

}  // namespace baton::service
