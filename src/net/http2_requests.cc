// The way in: headers and bodies become exchanges.

#include <algorithm>
#include <string>
#include <utility>

#include "net/http2_session.h"

namespace baton::net {
namespace {

// Header bytes above this multiple of the limit end the connection: the peer is not merely
// wasteful.
constexpr size_t kHeaderBombFactor = 16;
// All open streams of a connection together may hold this multiple of what one may: a compressed
// field of one byte can stand for kilobytes.
constexpr size_t kHeadersOfAllStreams = 16;

}  // namespace

int Http2Session::OnBeginHeaders(const nghttp2_frame& frame) {
  half_a_head_ = frame.hd.stream_id;
  half_a_head_since_ = host_->loop().now();
  if (frame.hd.type == NGHTTP2_HEADERS && frame.headers.cat == NGHTTP2_HCAT_REQUEST) {
    nghttp2_session_set_stream_user_data(session_, frame.hd.stream_id,
                                         OpenStream(frame.hd.stream_id));
  }
  return 0;
}

int Http2Session::OnHeader(const nghttp2_frame& frame, std::string_view name,
                           std::string_view value) {
  Http2Stream* stream = Find(frame.hd.stream_id);
  if (stream == nullptr) {
    return 0;
  }
  const size_t bytes = name.size() + value.size() + 32;  // RFC 9113, 6.5.2
  CountHeader(bytes);
  const Limits& limits = host_->limits();
  const size_t max_bytes = limits.http2.max_header_bytes;
  stream->header_bytes += bytes;
  ++stream->header_count;
  stream->headers_refused |= stream->header_bytes > max_bytes ||
                             stream->header_count > limits.max_headers ||
                             kept_header_bytes_ + bytes > kHeadersOfAllStreams * max_bytes;
  if (cut_off_) {
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  if (stream->headers_refused) {
    if (stream->header_bytes / kHeaderBombFactor > max_bytes) {
      CutOff(NGHTTP2_ENHANCE_YOUR_CALM);
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return 0;  // answered when the block is complete
  }
  if (stream->headers_complete) {
    return 0;  // a request's trailers say nothing to us
  }
  kept_header_bytes_ += bytes;
  stream->kept_header_bytes += bytes;
  Request& request = stream->exchange->mutable_request();
  if (name.front() != ':') {
    request.headers.Add(std::string(name), std::string(value));
  } else if (name == ":path") {
    request.target.assign(value);
  } else if (name == ":method") {
    request.method.assign(value);
  }
  return 0;
}

int Http2Session::OnFrame(const nghttp2_frame& frame) {
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA: {
      const bool ends = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
      if (frame.hd.type == NGHTTP2_HEADERS) {
        half_a_head_since_ = absl::InfiniteFuture();
      }
      Http2Stream* stream = Find(frame.hd.stream_id);
      if (stream == nullptr) {
        return 0;
      }
      if (frame.hd.type == NGHTTP2_HEADERS && !stream->headers_complete) {
        OnRequestHeaders(*stream);
      } else if (frame.hd.length == 0 && !ends) {
        CountControlFrame();
      }
      if (ends) {
        OnRequestEnd(*stream);
      }
      return 0;
    }
    case NGHTTP2_PING:
      if ((frame.hd.flags & NGHTTP2_FLAG_ACK) != 0) {
        OnPingAnswer(frame.ping.opaque_data);
        return 0;
      }
      OnPing();
      return 0;
    case NGHTTP2_SETTINGS:
      has_settings_ = true;
      CountControlFrame();
      return 0;
    case NGHTTP2_RST_STREAM:
    case NGHTTP2_PRIORITY:
      CountControlFrame();
      return 0;
    default:
      return 0;
  }
}

void Http2Session::OnRequestHeaders(Http2Stream& stream) {
  stream.headers_complete = true;
  if (stream.headers_refused) {
    RefuseHeaders(stream);
    return;
  }
  if (waiting_answer_bytes_ >= kMaxWaitingAnswers) {
    RefuseStream(stream, NGHTTP2_REFUSED_STREAM);
    return;
  }
  const ExchangePtr exchange = stream.exchange;
  stream.reader = host_->handler().OnStream(exchange);
  if (stream.reader != nullptr || stream.answering) {
    stream.given = std::exchange(stream.exchange, nullptr);  // no OnRequest will follow
  }
}

void Http2Session::RefuseHeaders(Http2Stream& stream) {
  Response response;
  response.status = 431;
  std::exchange(stream.exchange, nullptr)->Respond(std::move(response));
}

void Http2Session::RefuseStream(Http2Stream& stream, uint32_t error_code) {
  stream.all_parts_here = true;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, error_code);
  stream.exchange = nullptr;
  WantWrite();
}

int Http2Session::OnData(uint8_t flags, int32_t stream_id, std::string_view bytes) {
  Http2Stream* stream = Find(stream_id);
  if (stream == nullptr) {
    return 0;
  }
  if (stream->reader != nullptr) {
    stream->reader->OnData(bytes);
    return 0;
  }
  if (stream->exchange == nullptr) {
    return 0;  // refused: thrown away
  }
  RequestHandler& handler = host_->handler();
  const Request& request = stream->exchange->request();
  if (stream->max_body_bytes == 0) {
    stream->max_body_bytes = std::max<uint64_t>(handler.MaxBodyBytes(request), 1);
  }
  if (stream->body.size() + bytes.size() > stream->max_body_bytes) {
    RefuseBody(*stream, bytes);
    return 0;
  }
  const bool last = (flags & NGHTTP2_FLAG_END_STREAM) != 0;
  stream->body.Append(bytes, last, [&](std::string_view first_bytes) {
    return handler.AlignedOffset(request, first_bytes);
  });
  return 0;
}

void Http2Session::RefuseBody(Http2Stream& stream, std::string_view bytes) {
  const base::Buffer before = stream.body.Take();
  stream.body = Http2Body();
  std::string start(before.view().substr(0, RequestHandler::kBodyStart));
  start.append(bytes.substr(0, RequestHandler::kBodyStart - start.size()));
  stream.exchange->mutable_request().body = base::Buffer::FromString(std::move(start));
  stream.given = stream.exchange;
  host_->handler().OnBodyTooLarge(std::exchange(stream.exchange, nullptr), stream.max_body_bytes);
}

void Http2Session::OnRequestEnd(Http2Stream& stream) {
  stream.request_complete = true;
  if (stream.reader != nullptr) {
    stream.reader->OnEnd();
  } else if (stream.exchange != nullptr) {
    stream.exchange->mutable_request().body = stream.body.Take();
    stream.given = stream.exchange;
    host_->handler().OnRequest(std::exchange(stream.exchange, nullptr));
  }
}

}  // namespace baton::net
