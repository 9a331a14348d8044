#include "frontend/grpc/unary_call.h"

#include "frontend/grpc/grpc_message.h"

namespace baton::frontend::grpc {

UnaryCall::UnaryCall(net::ExchangePtr exchange, std::string_view method, base::Buffer message,
                     absl::Time arrival, absl::Time deadline, service::RequestMetrics* metrics,
                     const MessagePolicy& policy)
    : record_({.method = method,
               .entrypoint = service::Entrypoint::kGrpc,
               .arrival = arrival,
               .deadline = deadline},
              metrics),
      message_(std::move(message)),
      max_reply_bytes_(policy.max_reply_bytes),
      gzip_reply_(WantsGzipReply(exchange->request(), policy.gzip_replies)),
      pending_(net::PendingAnswer::Create(
          std::move(exchange), deadline, [] { return ErrorResponse(predict::TimedOut()); },
          [cancellation = record_.cancellation()] { cancellation->Cancel(); })) {}

UnaryCall::~UnaryCall() {
  if (!record_.is_finished()) {
    FinishError(absl::InternalError("the request was dropped without an answer"));
  }
}

void UnaryCall::FinishError(const absl::Status& status) {
  if (record_.Finish(status.code())) pending_->Respond(ErrorResponse(status));
}

void UnaryCall::FinishMessage(std::vector<base::Buffer> parts) {
  uint64_t bytes = 0;
  for (const base::Buffer& part : parts) bytes += part.size();
  if (bytes > max_reply_bytes_ + kPrefixBytes) {
    FinishError(SentTooMuch(bytes - kPrefixBytes, max_reply_bytes_));
    return;
  }
  if (record_.Finish(absl::StatusCode::kOk)) {
    pending_->Respond(MessageResponse(std::move(parts), gzip_reply_));
  }
}

void UnaryCall::FinishMessage(std::string_view message) {
  std::vector<base::Buffer> parts;
  parts.push_back(WithPrefixRoom(message));
  FinishMessage(std::move(parts));
}

}  // namespace baton::frontend::grpc
