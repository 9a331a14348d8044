#include "frontend/grpc/grpc_handler.h"

#include <set>
#include <utility>

#include "absl/time/clock.h"
#include "codec/grpc/predict_codec.h"
#include "frontend/grpc/grpc_message.h"
#include "net/event_loop.h"

namespace baton::frontend::grpc {
namespace {

constexpr std::string_view kPredictPath = "/tensorflow.serving.PredictionService/Predict";

// "application/grpc", "application/grpc+proto", "application/grpc;...", but not
// "application/grpc-web".
bool IsGrpc(const net::Request& request) {
  constexpr std::string_view kType = "application/grpc";
  const std::string* type = request.headers.Find("content-type");
  if (type == nullptr || !type->starts_with(kType)) return false;
  return type->size() == kType.size() || (*type)[kType.size()] == '+' ||
         (*type)[kType.size()] == ';';
}

void RefuseHttp(const net::ExchangePtr& exchange, int status) {
  net::Response response;
  response.status = status;
  exchange->Respond(std::move(response));
}

}  // namespace

void GrpcHandler::AddUnary(std::string path, UnaryMethod method) {
  std::string name = path.substr(path.rfind('/') + 1);
  unary_.insert_or_assign(std::move(path), Unary{std::move(name), std::move(method)});
}

void GrpcHandler::AddStream(std::string path, StreamMethod method) {
  streams_.insert_or_assign(std::move(path), std::move(method));
}

std::vector<std::string> GrpcHandler::Services() const {
  std::set<std::string> names;
  const auto add = [&names](std::string_view path) {
    path.remove_prefix(1);
    names.emplace(path.substr(0, path.find('/')));
  };
  for (const auto& [path, method] : unary_) add(path);
  for (const auto& [path, method] : streams_) add(path);
  return {names.begin(), names.end()};
}

void GrpcHandler::OnRequest(net::ExchangePtr exchange) {
  const net::Request& request = exchange->request();
  if (request.method != "POST") return RefuseHttp(exchange, 405);
  if (!IsGrpc(request)) return RefuseHttp(exchange, 415);
  const auto found = unary_.find(std::string_view(request.target));
  if (found == unary_.end()) {
    exchange->Respond(
        ErrorResponse(absl::UnimplementedError(base::StrCat("unknown method ", request.target))));
    return;
  }
  const absl::Time arrival = absl::Now();
  absl::Time deadline = absl::InfiniteFuture();
  if (const std::string* timeout = request.headers.Find("grpc-timeout")) {
    const std::optional<absl::Duration> parsed = ParseTimeout(*timeout);
    if (!parsed) {
      exchange->Respond(ErrorResponse(
          absl::InvalidArgumentError(base::StrCat("malformed grpc-timeout \"", *timeout, "\""))));
      return;
    }
    deadline = arrival + *parsed;
  }
  absl::StatusOr<base::Buffer> message = DecodeUnaryMessage(request, policy_.max_request_bytes);
  if (!message.ok()) {
    exchange->Respond(ErrorResponse(message.status()));
    return;
  }
  auto call =
      std::make_shared<UnaryCall>(std::move(exchange), found->second.name, *std::move(message),
                                  arrival, deadline, metrics_, policy_);
  gate_.Enter(call, [&method = found->second.method, call](service::CallGate::Place place) {
    call->Keep(std::move(place));
    method(call);
  });
  call->ArmDeadline();
}

std::unique_ptr<net::StreamReader> GrpcHandler::OnStream(const net::ExchangePtr& exchange) {
  const net::Request& request = exchange->request();
  if (request.method != "POST" || !IsGrpc(request)) return nullptr;
  const auto found = streams_.find(std::string_view(request.target));
  return found == streams_.end() ? nullptr : found->second(exchange);
}

uint64_t GrpcHandler::MaxBodyBytes(const net::Request& request) {
  return policy_.max_request_bytes + kPrefixBytes;
}

void GrpcHandler::OnBodyTooLarge(net::ExchangePtr exchange, uint64_t limit) {
  const std::string_view start = exchange->request().body.view();
  const uint64_t bytes = start.size() < kPrefixBytes ? limit : ReadLength(start);
  exchange->Respond(ErrorResponse(ReceivedTooMuch(bytes, limit - kPrefixBytes)));
}

size_t GrpcHandler::AlignedOffset(const net::Request& request, std::string_view first_bytes) {
  if (request.target != kPredictPath || first_bytes.size() <= kPrefixBytes) return 0;
  if (first_bytes[0] != 0) return 0;  // compressed
  const size_t offset = codec::grpc::FindTensorContent(first_bytes.substr(kPrefixBytes));
  return offset == 0 ? 0 : offset + kPrefixBytes;
}

}  // namespace baton::frontend::grpc
