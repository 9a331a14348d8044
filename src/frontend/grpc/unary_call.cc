#include "frontend/grpc/unary_call.h"

#include <cstring>

#include "absl/time/clock.h"
#include "frontend/grpc/grpc_message.h"

namespace baton::frontend::grpc {

UnaryCall::UnaryCall(net::ExchangePtr exchange, std::string_view method, base::Buffer message,
                     absl::Time arrival, absl::Time deadline, service::RequestMetrics* metrics)
    : method_(method),
      message_(std::move(message)),
      arrival_(arrival),
      deadline_(deadline),
      gzip_reply_(WantsGzipReply(exchange->request())),
      metrics_(metrics),
      cancellation_(std::make_shared<predict::Cancellation>()) {
  pending_ = net::PendingAnswer::Create(
      std::move(exchange), deadline,
      [] {
        return ErrorResponse(absl::DeadlineExceededError("Timed out waiting for notification"));
      },
      [cancellation = cancellation_] { cancellation->Cancel(); });
}

UnaryCall::~UnaryCall() {
  if (!finished_) FinishError(absl::InternalError("the request was dropped without an answer"));
}

predict::CallContext UnaryCall::context() const {
  return {.arrival = arrival_,
          .deadline = deadline_,
          .cancellation = cancellation_,
          .may_run_inline = true};
}

void UnaryCall::SetServable(std::string_view model, int64_t version, std::string_view signature) {
  model_ = model;
  version_ = version;
  signature_ = signature;
}

void UnaryCall::FinishError(const absl::Status& status) {
  if (finished_.exchange(true)) return;
  Record(status.code());
  pending_->Respond(ErrorResponse(status));
}

void UnaryCall::FinishMessage(std::vector<base::Buffer> parts) {
  if (finished_.exchange(true)) return;
  Record(absl::StatusCode::kOk);
  pending_->Respond(MessageResponse(std::move(parts), gzip_reply_));
}

void UnaryCall::FinishMessage(std::string_view message) {
  base::Buffer part = base::Buffer::Allocate(kPrefixBytes + message.size());
  if (!message.empty()) {
    std::memcpy(part.mutable_data() + kPrefixBytes, message.data(), message.size());
  }
  std::vector<base::Buffer> parts;
  parts.push_back(std::move(part));
  FinishMessage(std::move(parts));
}

void UnaryCall::Record(absl::StatusCode code) {
  // When the deadline answered first the client saw a timeout, whatever became of the work.
  const absl::Time now = absl::Now();
  const bool late =
      now >= deadline_ && (code == absl::StatusCode::kOk || code == absl::StatusCode::kCancelled);
  metrics_->Record({.model = model_,
                    .version = version_,
                    .signature = signature_,
                    .method = method_,
                    .entrypoint = service::Entrypoint::kGrpc,
                    .code = late ? absl::StatusCode::kDeadlineExceeded : code,
                    .latency = now - arrival_});
}

}  // namespace baton::frontend::grpc
