#include "frontend/grpc/message_stream.h"

#include <utility>

#include "base/strings.h"
#include "frontend/grpc/grpc_message.h"

namespace baton::frontend::grpc {

void MessageStream::OnData(std::string_view bytes) {
  if (finished_) return;
  pending_.append(bytes);
  // Taken off in one piece at the end: one by one, a run of small messages would be moved once for
  // each of them.
  std::string_view rest = pending_;
  while (!finished_ && rest.size() >= kPrefixBytes) {
    const size_t length = ReadLength(rest);
    if (rest[0] != 0) {
      return Finish(absl::UnimplementedError("compressed messages in a streaming call"));
    }
    if (length > kMaxBytes) {
      return Finish(absl::ResourceExhaustedError(
          base::StrCat("Received message larger than max (", length, " vs. ", kMaxBytes, ")")));
    }
    if (rest.size() - kPrefixBytes < length) break;
    const std::string_view message = rest.substr(kPrefixBytes, length);
    rest.remove_prefix(kPrefixBytes + length);
    OnMessage(message);
  }
  pending_.erase(0, pending_.size() - rest.size());
}

void MessageStream::OnEnd() {
  if (finished_) return;
  if (!pending_.empty()) return Finish(absl::InternalError("message is cut short"));
  OnHalfClose();
}

void MessageStream::Send(std::string_view message) {
  if (finished_) return;
  if (!std::exchange(started_, true)) {
    exchange_->StartStream(200, {{"content-type", "application/grpc"}});
  }
  base::Buffer part = WithPrefixRoom(message);
  WritePrefix(part.mutable_data(), false, static_cast<uint32_t>(message.size()));
  exchange_->Write(std::move(part));
}

void MessageStream::Finish(const absl::Status& status) {
  if (std::exchange(finished_, true)) return;
  if (!started_) return exchange_->Respond(ErrorResponse(status));
  std::vector<net::Header> trailers = {
      {"grpc-status", std::to_string(static_cast<int>(status.code()))}};
  if (!status.ok()) {
    trailers.push_back({"grpc-message", EncodeStatusMessage(base::Message(status))});
  }
  exchange_->Finish(std::move(trailers));
}

}  // namespace baton::frontend::grpc
