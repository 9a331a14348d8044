#pragma once

// For tests only: a protocol session without a connection. Bytes go in by OnBytes, come out by
// Output, and time stands still until it is moved.

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "net/connection.h"
#include "net/event_loop.h"
#include "net/exchange.h"
#include "net/limits.h"

namespace baton::net {

class ManualClock final : public base::Clock {
 public:
  absl::Time Now() const override { return now_; }
  void Advance(absl::Duration step) { now_ += step; }

 private:
  absl::Time now_ = absl::FromUnixSeconds(1'763'653'967);  // Thu, 20 Nov 2025 15:52:47 GMT
};

// Keeps every exchange it is given, and answers by `on_request` when that is set.
class ScriptedHandler final : public RequestHandler {
 public:
  void OnRequest(ExchangePtr exchange) override {
    exchanges.push_back(exchange);
    if (on_request) {
      on_request(std::move(exchange));
    }
  }
  std::unique_ptr<StreamReader> OnStream(const ExchangePtr& exchange) override {
    return on_stream ? on_stream(exchange) : nullptr;
  }
  uint64_t MaxBodyBytes(const Request& request) override { return max_body_bytes; }
  void OnBodyTooLarge(ExchangePtr exchange, uint64_t limit) override {
    too_large.push_back(exchange);
    Response response;
    response.status = 413;
    exchange->Respond(std::move(response));
  }
  size_t AlignedOffset(const Request& request, std::string_view first_bytes) override {
    return aligned_offset;
  }

  std::function<void(ExchangePtr)> on_request;
  std::function<std::unique_ptr<StreamReader>(const ExchangePtr&)> on_stream;
  uint64_t max_body_bytes = uint64_t{1} << 31;
  size_t aligned_offset = 0;
  std::vector<ExchangePtr> exchanges;
  std::vector<ExchangePtr> too_large;
};

class TestHost final : public SessionHost {
 public:
  TestHost() { RunTurn(); }  // makes this thread the loop's

  EventLoop& loop() override { return loop_; }
  RequestHandler& handler() override { return handler_; }
  const Limits& limits() const override { return limits_; }
  void WantWrite() override { wants_write_ = true; }
  void GiveUp() override { gave_up = true; }
  bool is_reading() const override { return reads; }

  ScriptedHandler& scripted() { return handler_; }
  Limits& mutable_limits() { return limits_; }

  bool gave_up = false;
  bool reads = true;

  // Whether WantWrite was called since the last time this was asked.
  bool TakeWantWrite() { return std::exchange(wants_write_, false); }

  // What the session wants to send now, at most `room` at a time as a connection would ask.
  std::string Output(ProtocolSession& session, size_t room = std::numeric_limits<size_t>::max()) {
    wants_write_ = false;
    OutputQueue queue;
    session.CollectOutput(queue, room);
    return queue.TakeAll();
  }

  // Runs posted work, due timers and turn-end hooks, without waiting.
  void RunTurn() { loop_.RunOnce(absl::ZeroDuration()); }
  // Lets time pass and runs what became due.
  void Advance(absl::Duration step) {
    clock_.Advance(step);
    RunTurn();
  }

 private:
  ManualClock clock_;
  Limits limits_;
  ScriptedHandler handler_;
  EventLoop loop_{0, clock_};
  bool wants_write_ = false;
};

}  // namespace baton::net
