#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "base/buffer.h"
#include "net/exchange.h"

namespace baton::net {

// Collects a body of unknown length into one contiguous run, grown geometrically, so that memory
// follows what really arrived and not what a header claims.
//
// Threads: thread-compatible. Owner: a Http2Stream. Errors: none; the caller bounds the size.
class Http2Body {
 public:
  static constexpr size_t kAlignAbove = 4096;

  // `aligned_offset` is asked once, when the body outgrows kAlignAbove: the offset that should come
  // to lie on a 64-byte boundary. `last`: no more is expected.
  void Append(std::string_view bytes, bool last,
              absl::FunctionRef<size_t(std::string_view)> aligned_offset);
  size_t size() const { return size_; }
  // The body; the collector is empty again.
  base::Buffer Take();

 private:
  void PlaceBy(std::string_view bytes, absl::FunctionRef<size_t(std::string_view)> aligned_offset);
  void Grow(size_t needed, bool last);

  base::Buffer block_;
  size_t size_ = 0;
  size_t shift_ = 0;  // where in the block the body starts
  bool placed_ = false;
};

// Where the answers of a connection's exchanges go. Streams are known by number; one that is gone
// or already answered is left alone.
//
// Threads: confined to the loop. Owner: the connection, it is the session.
class Http2AnswerSink {
 public:
  virtual ~Http2AnswerSink() = default;
  virtual void Answer(int32_t stream_id, Response response) = 0;
  virtual void StartAnswer(int32_t stream_id, int status, const std::vector<Header>& headers) = 0;
  virtual void AddPart(int32_t stream_id, base::Buffer part) = 0;
  virtual void FinishAnswer(int32_t stream_id, std::vector<Header> trailers) = 0;
  // Nobody will answer (or finish) this stream any more.
  virtual void Abandon(int32_t stream_id) = 0;
};

// What all exchanges of one connection share, so that an answer finds its session or learns that it
// is gone.
//
// Threads: `answers` on the loop's thread only. Owner: shared by the session and its exchanges.
struct Http2Link {
  EventLoop& loop;
  Http2AnswerSink* answers;  // null once the connection is closed
};

// The request of one HTTP/2 stream and its answer. It knows its stream by number only: either may
// die first.
//
// Threads and errors: as Exchange says. Owner: the session until the handler has it, then whoever
// holds it.
class Http2Exchange final : public Exchange {
 public:
  Http2Exchange(std::shared_ptr<Http2Link> link, int32_t stream_id);
  ~Http2Exchange() override;

  EventLoop& loop() override { return link_->loop; }
  bool cancelled() const override { return cancelled_.load(std::memory_order_acquire); }
  void OnCancel(absl::AnyInvocable<void()> work) override;
  void Respond(Response response) override;
  void StartStream(int status, std::vector<Header> headers) override;
  void Write(base::Buffer part) override;
  void Finish(std::vector<Header> trailers) override;

  // Before the handler has it.
  Request& mutable_request() { return request_; }
  // The stream was reset or its connection is gone. Loop thread.
  void Cancel();

 private:
  enum class Phase { kUnanswered, kStreaming, kAnswered };

  bool Enter(Phase from, Phase to);
  // Runs `work` with the link's answers on the loop's thread, unless either is gone.
  template <typename Work>
  void OnLoop(Work work);

  const std::shared_ptr<Http2Link> link_;
  const int32_t stream_id_;
  std::atomic<Phase> phase_{Phase::kUnanswered};
  std::atomic<bool> cancelled_{false};
  absl::AnyInvocable<void()> on_cancel_;
};

// Bytes of an answer that wait for the peer's window, in order.
//
// Threads: thread-compatible. Owner: a Http2Stream.
class Http2Parts {
 public:
  size_t bytes() const { return bytes_; }
  void Add(base::Buffer part);
  // Hands out the next `bytes` as slices. REQUIRES: bytes <= bytes().
  void Take(size_t bytes, absl::FunctionRef<void(base::Buffer)> sink);
  void Clear();

 private:
  std::vector<base::Buffer> parts_;
  size_t next_ = 0;    // parts_[next_..] are not sent yet
  size_t offset_ = 0;  // sent bytes of parts_[next_]
  size_t bytes_ = 0;
};

// What the session keeps for one open stream; pooled.
//
// Threads: confined to the loop. Owner: the session.
struct Http2Stream {
  int32_t id = 0;
  size_t index = 0;  // among the session's open streams

  // The request. `exchange` until the handler has it, `given` from then on.
  std::shared_ptr<Http2Exchange> exchange;
  std::weak_ptr<Http2Exchange> given;
  std::unique_ptr<StreamReader> reader;
  Http2Body body;
  uint64_t max_body_bytes = 0;  // 0: not asked yet
  size_t header_bytes = 0;
  size_t header_count = 0;
  size_t kept_header_bytes = 0;  // those that the exchange holds
  bool headers_refused = false;
  bool headers_complete = false;
  bool request_complete = false;

  // The answer.
  Http2Parts parts;
  std::vector<Header> trailers;
  bool answering = false;       // headers were submitted
  bool all_parts_here = false;  // nothing is added to `parts` any more
  bool starved = false;         // the library waits to be told of new parts
  bool answer_sent = false;     // END_STREAM left

  // A request whose body is collected has not ended.
  bool has_half_a_body() const {
    return headers_complete && !request_complete && reader == nullptr && exchange != nullptr;
  }

  // As new, with the memory of `parts` kept.
  void Reset();
};

}  // namespace baton::net
