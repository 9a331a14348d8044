#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "base/strings.h"
#include "frontend/grpc/grpc_message.h"
#include "frontend/grpc/unary_call.h"
#include "net/exchange.h"
#include "service/call_gate.h"
#include "service/request_metrics.h"

namespace baton::frontend::grpc {

// The gRPC side of a listener: finds the method, takes the message out of its framing, starts the
// deadline, and turns what goes wrong before the method into gRPC statuses.
//
// Threads: Add before the listener starts; then thread-safe. Owner: server/; outlives net::Server.
class GrpcHandler final : public net::RequestHandler {
 public:
  // `max_calls`: unary calls worked on at once, 0: any number; of the rest `max_waiting` wait.
  explicit GrpcHandler(service::RequestMetrics* metrics, size_t max_calls = 0,
                       size_t max_waiting = 10000)
      : metrics_(metrics), gate_(max_calls, max_waiting) {}

  // Before the listener starts.
  void SetMessagePolicy(const MessagePolicy& policy) { policy_ = policy; }

  // Called on the loop thread; must finish the call sooner or later, on any thread.
  using UnaryMethod = absl::AnyInvocable<void(UnaryCallPtr) const>;
  // Makes the reader of a streaming call; the reader answers through the exchange it is given.
  using StreamMethod =
      absl::AnyInvocable<std::unique_ptr<net::StreamReader>(const net::ExchangePtr&) const>;

  // `path` is "/package.Service/Method".
  void AddUnary(std::string path, UnaryMethod method);
  void AddStream(std::string path, StreamMethod method);
  // "package.Service" of everything added so far, sorted.
  std::vector<std::string> Services() const;

  void OnRequest(net::ExchangePtr exchange) override;
  std::unique_ptr<net::StreamReader> OnStream(const net::ExchangePtr& exchange) override;
  uint64_t MaxBodyBytes(const net::Request& request) override;
  void OnBodyTooLarge(net::ExchangePtr exchange, uint64_t limit) override;
  size_t AlignedOffset(const net::Request& request, std::string_view first_bytes) override;

 private:
  struct Unary {
    std::string name;  // "Predict"
    UnaryMethod method;
  };
  service::RequestMetrics* const metrics_;
  service::CallGate gate_;
  MessagePolicy policy_;
  base::StringMap<Unary> unary_;
  base::StringMap<StreamMethod> streams_;
};

}  // namespace baton::frontend::grpc
