#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "net/event_loop.h"
#include "net/exchange.h"

namespace baton::net {

// Where the answers of one connection's exchanges go.
class Http1AnswerSink {
 public:
  virtual ~Http1AnswerSink() = default;
  virtual void Answer(uint64_t sequence, Response response) = 0;
};

// The way from an exchange to its session, cut when the session dies. Read and cut on the loop
// thread only.
struct Http1AnswerPath {
  Http1AnswerSink* sink = nullptr;
};

// One request over HTTP/1. A streamed answer is gathered and leaves whole, because its length must
// be told first.
//
// Threads, Errors: as Exchange. Owner: shared by the handler and whoever works on the answer; the
// session only watches.
class Http1Exchange final : public Exchange {
 public:
  Http1Exchange(EventLoop& loop, std::shared_ptr<Http1AnswerPath> path, uint64_t sequence,
                Request request);
  ~Http1Exchange() override;

  EventLoop& loop() override { return loop_; }
  bool cancelled() const override { return cancelled_.load(std::memory_order_acquire); }
  void OnCancel(absl::AnyInvocable<void()> work) override { on_cancel_ = std::move(work); }
  void Respond(Response response) override;
  void StartStream(int status, std::vector<Header> headers) override;
  void Write(base::Buffer part) override { streamed_.body.push_back(std::move(part)); }
  void Finish(std::vector<Header> trailers) override { Respond(std::move(streamed_)); }

  // For the session, on the loop thread.
  void SetBody(base::Buffer body) { request_.body = std::move(body); }
  // Nobody waits for the answer any more.
  void Cancel();

 private:
  void Send(Response response);

  EventLoop& loop_;
  const std::shared_ptr<Http1AnswerPath> path_;
  const uint64_t sequence_;
  std::atomic<bool> is_answered_{false};
  std::atomic<bool> cancelled_{false};
  absl::AnyInvocable<void()> on_cancel_;
  Response streamed_;
};

}  // namespace baton::net
