#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "base/buffer.h"
#include "net/connection.h"
#include "net/exchange.h"
#include "net/http2_lifetime.h"
#include "net/http2_stream.h"

namespace baton::net {

// The server's side of one HTTP/2 connection (prior knowledge). Framing, HPACK and flow control are
// nghttp2's; this class turns streams into exchanges and answers into frames, and ends connections
// that make work without asking for any: control frames and resets are counted, and forgiven by
// every request that is answered and as time passes; header fields that cost far more than their
// bytes on the wire are too. A timer asks Http2Lifetime what time alone calls for.
//
// Bodies are taken as fast as they arrive; the windows (8 MiB a stream, 64 MiB a connection) are
// wide enough never to slow a peer down on a local network. Answers wait in their streams for the
// peer's window and for room in the connection; a peer that lets too many wait is refused further
// streams, and a streamed answer that nobody reads is reset.
//
// Threads: confined to the connection's loop. Owner: Connection. Errors: as ProtocolSession says.
class Http2Session final : public ProtocolSession, private Http2AnswerSink {
 public:
  explicit Http2Session(SessionHost* host);
  ~Http2Session() override;
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;

  bool OnBytes(std::string_view bytes) override;
  void CollectOutput(OutputQueue& out, size_t room) override;
  // Always: even a peer that said GOAWAY may have a PING under way.
  bool leaves_input_unread() const override { return true; }
  bool finished() const override;
  void StartDrain() override;
  void OnClosed() override;

 private:
  void Answer(int32_t stream_id, Response response) override;
  void StartAnswer(int32_t stream_id, int status, const std::vector<Header>& headers) override;
  void AddPart(int32_t stream_id, base::Buffer part) override;
  void FinishAnswer(int32_t stream_id, std::vector<Header> trailers) override;
  void Abandon(int32_t stream_id) override;

  // Answers that wait for the peer to read; above it new streams are refused, and streamed answers
  // grow no more. One answer can be as large.
  static constexpr size_t kMaxWaitingAnswers = size_t{1} << 31;

  // nghttp2's callbacks, in the order of a stream's life.
  struct Callbacks;

  int OnBeginHeaders(const nghttp2_frame& frame);
  int OnHeader(const nghttp2_frame& frame, std::string_view name, std::string_view value);
  int OnFrame(const nghttp2_frame& frame);
  int OnData(uint8_t flags, int32_t stream_id, std::string_view bytes);
  static ssize_t ReadCallback(nghttp2_session*, int32_t, uint8_t*, size_t length,
                              uint32_t* data_flags, nghttp2_data_source* source, void* self);
  ssize_t ReadParts(Http2Stream& stream, size_t length, uint32_t* data_flags);
  int SendData(const nghttp2_frame& frame, const uint8_t* frame_header, size_t length,
               Http2Stream& stream);
  void OnFrameSent(const nghttp2_frame& frame);
  void OnStreamClosed(int32_t stream_id, uint32_t error_code);

  void SubmitSettings();
  void OnRequestHeaders(Http2Stream& stream);
  void OnRequestEnd(Http2Stream& stream);
  void RefuseHeaders(Http2Stream& stream);
  void RefuseBody(Http2Stream& stream, std::string_view bytes);
  void RefuseStream(Http2Stream& stream, uint32_t error_code);
  void SubmitHeaders(int32_t stream_id, int status, const std::vector<Header>& headers,
                     bool end_stream);
  void SubmitTrailers(int32_t stream_id, const std::vector<Header>& trailers);
  void SubmitParts(Http2Stream& stream);
  void SubmitFinalGoaway();
  void OnPingAnswer(const uint8_t* opaque);
  void OnPing();
  void CountControlFrame();
  void CountHeader(size_t bytes);
  void CutOff(uint32_t error_code);

  void Watch();
  Http2Lifetime::Connection Observe() const;
  void StartGentleDrain();
  void DropHalfBodies();

  Http2Stream* Find(int32_t stream_id);
  Http2Stream* OpenStream(int32_t stream_id);
  void CloseStream(Http2Stream* stream);
  void WantWrite() { host_->WantWrite(); }

  SessionHost* const host_;
  const std::shared_ptr<Http2Link> link_;
  nghttp2_session* session_ = nullptr;
  std::vector<std::unique_ptr<Http2Stream>> open_;
  std::vector<std::unique_ptr<Http2Stream>> spare_;
  Http2Stream* recent_ = nullptr;  // an open stream: frames and header fields come in runs

  // Where the frames of the running CollectOutput go, and at how many bytes it stops.
  OutputQueue* out_ = nullptr;
  size_t out_limit_ = 0;

  // Over all open streams. A peer that opens streams and never reads pays with neither.
  size_t kept_header_bytes_ = 0;
  size_t waiting_answer_bytes_ = 0;

  // Bytes received and bytes of header fields made of them, both halved as they grow.
  uint64_t wire_bytes_ = 0;
  uint64_t header_bytes_ = 0;

  Http2Lifetime lifetime_;
  EventLoop::TimerId watch_timer_ = 0;
  bool has_settings_ = false;
  int32_t half_a_head_ = 0;  // a stream, 0: none
  absl::Time half_a_head_since_ = absl::InfiniteFuture();

  uint32_t control_frames_ = 0;
  absl::Time control_frames_since_ = absl::InfinitePast();
  bool draining_ = false;
  bool final_goaway_sent_ = false;
  bool broken_ = false;   // by the library's verdict; nothing can be said any more
  bool cut_off_ = false;  // by ours; the GOAWAY that says why is still sent
};

}  // namespace baton::net
