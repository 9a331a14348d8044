#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "net/exchange.h"

namespace baton::frontend::grpc {

// Cuts a streaming call's body into messages and frames its answers. A method derives from it.
//
// Threads: loop thread only. Owner: the exchange's connection. Errors: broken framing or a message
// above kMaxBytes finishes the call.
class MessageStream : public net::StreamReader {
 public:
  static constexpr size_t kMaxBytes = 1 << 20;  // streaming methods carry small messages only

  explicit MessageStream(net::ExchangePtr exchange) : exchange_(std::move(exchange)) {}

  void OnData(std::string_view bytes) final;
  void OnEnd() final;

 protected:
  virtual void OnMessage(std::string_view message) = 0;
  // The peer has sent everything.
  virtual void OnHalfClose() = 0;

  void Send(std::string_view message);
  void Finish(const absl::Status& status);
  bool finished() const { return finished_; }
  const net::ExchangePtr& exchange() const { return exchange_; }

 private:
  const net::ExchangePtr exchange_;
  std::string pending_;
  bool started_ = false;
  bool finished_ = false;
};

}  // namespace baton::frontend::grpc
