// The way out: answers become frames.

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "net/http2_session.h"

namespace baton::net {
namespace {

// Of one streamed answer: these are small, or their peer reads them as they come.
constexpr size_t kMaxWaitingParts = size_t{16} << 20;

nghttp2_nv Field(std::string_view name, std::string_view value) {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NONE};
}

using FieldList = absl::InlinedVector<nghttp2_nv, 12>;

void AddFields(const std::vector<Header>& headers, FieldList& fields) {
  for (const Header& header : headers) {
    fields.push_back(Field(header.name, header.value));  // the library copies and lower-cases
  }
}

bool Has(const std::vector<Header>& headers, std::string_view name) {
  return std::any_of(headers.begin(), headers.end(),
                     [name](const Header& header) { return header.name == name; });
}

}  // namespace

void Http2Session::Answer(int32_t stream_id, Response response) {
  Http2Stream* stream = Find(stream_id);
  if (stream == nullptr || stream->answering) {
    return;
  }
  stream->answering = stream->all_parts_here = true;
  for (base::Buffer& part : response.body) {
    stream->parts.Add(std::move(part));
  }
  waiting_answer_bytes_ += stream->parts.bytes();
  if (stream->parts.bytes() > 0) {
    stream->trailers = std::move(response.trailers);
    SubmitHeaders(stream_id, response.status, response.headers, /*end_stream=*/false);
    SubmitParts(*stream);
  } else if (response.trailers.empty() || Has(response.headers, "grpc-status")) {
    SubmitHeaders(stream_id, response.status, response.headers, /*end_stream=*/true);
  } else {
    SubmitHeaders(stream_id, response.status, response.headers, /*end_stream=*/false);
    SubmitTrailers(stream_id, response.trailers);
  }
  WantWrite();
}

void Http2Session::StartAnswer(int32_t stream_id, int status, const std::vector<Header>& headers) {
  Http2Stream* stream = Find(stream_id);
  if (stream == nullptr || stream->answering) {
    return;
  }
  stream->answering = true;
  SubmitHeaders(stream_id, status, headers, /*end_stream=*/false);
  SubmitParts(*stream);
  WantWrite();
}

void Http2Session::AddPart(int32_t stream_id, base::Buffer part) {
  Http2Stream* stream = Find(stream_id);
  if (stream == nullptr || !stream->answering || stream->all_parts_here) {
    return;
  }
  if (stream->parts.bytes() + part.size() > kMaxWaitingParts ||
      waiting_answer_bytes_ >= kMaxWaitingAnswers) {
    RefuseStream(*stream, NGHTTP2_ENHANCE_YOUR_CALM);
    return;
  }
  waiting_answer_bytes_ += part.size();
  stream->parts.Add(std::move(part));
  if (stream->starved && stream->parts.bytes() > 0) {
    stream->starved = false;
    nghttp2_session_resume_data(session_, stream_id);
    WantWrite();
  }
}

void Http2Session::FinishAnswer(int32_t stream_id, std::vector<Header> trailers) {
  Http2Stream* stream = Find(stream_id);
  if (stream == nullptr || !stream->answering || stream->all_parts_here) {
    return;
  }
  stream->all_parts_here = true;
  stream->trailers = std::move(trailers);
  if (std::exchange(stream->starved, false)) {
    nghttp2_session_resume_data(session_, stream_id);
  }
  WantWrite();
}

void Http2Session::Abandon(int32_t stream_id) {
  Http2Stream* stream = Find(stream_id);
  if (stream == nullptr || stream->all_parts_here) {
    return;
  }
  stream->all_parts_here = true;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_INTERNAL_ERROR);
  WantWrite();
}

void Http2Session::SubmitHeaders(int32_t stream_id, int status, const std::vector<Header>& headers,
                                 bool end_stream) {
  std::array<char, 12> digits;
  const char* end = std::to_chars(digits.data(), digits.data() + digits.size(), status).ptr;
  FieldList fields;
  fields.push_back(Field(":status", {digits.data(), static_cast<size_t>(end - digits.data())}));
  AddFields(headers, fields);
  nghttp2_submit_headers(session_, end_stream ? NGHTTP2_FLAG_END_STREAM : NGHTTP2_FLAG_NONE,
                         stream_id, nullptr, fields.data(), fields.size(), nullptr);
}

void Http2Session::SubmitTrailers(int32_t stream_id, const std::vector<Header>& trailers) {
  FieldList fields;
  AddFields(trailers, fields);
  nghttp2_submit_trailer(session_, stream_id, fields.data(), fields.size());
}

void Http2Session::SubmitParts(Http2Stream& stream) {
  nghttp2_data_provider provider;
  provider.source.ptr = &stream;
  provider.read_callback = ReadCallback;
  nghttp2_submit_data(session_, NGHTTP2_FLAG_END_STREAM, stream.id, &provider);
}

ssize_t Http2Session::ReadCallback(nghttp2_session*, int32_t, uint8_t*, size_t length,
                                   uint32_t* data_flags, nghttp2_data_source* source, void* self) {
  return static_cast<Http2Session*>(self)->ReadParts(*static_cast<Http2Stream*>(source->ptr),
                                                     length, data_flags);
}

ssize_t Http2Session::ReadParts(Http2Stream& stream, size_t length, uint32_t* data_flags) {
  const size_t taken = std::min(length, stream.parts.bytes());
  if (taken == 0 && !stream.all_parts_here) {
    stream.starved = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  *data_flags = NGHTTP2_DATA_FLAG_NO_COPY;
  if (taken == stream.parts.bytes() && stream.all_parts_here) {
    *data_flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!stream.trailers.empty()) {
      *data_flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      SubmitTrailers(stream.id, stream.trailers);
    }
  }
  return static_cast<ssize_t>(taken);
}

int Http2Session::SendData(const nghttp2_frame& frame, const uint8_t* frame_header, size_t length,
                           Http2Stream& stream) {
  if (length == 0 && (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) {
    return 0;  // it would only announce the trailers that follow
  }
  constexpr size_t kFrameHeaderBytes = 9;
  out_->Append({reinterpret_cast<const char*>(frame_header), kFrameHeaderBytes});
  waiting_answer_bytes_ -= length;
  stream.parts.Take(length, [this](base::Buffer part) { out_->Append(std::move(part)); });
  return out_->bytes() < out_limit_ ? 0 : NGHTTP2_ERR_PAUSE;
}

void Http2Session::OnFrameSent(const nghttp2_frame& frame) {
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA: {
      lifetime_.OnAnswer();
      if ((frame.hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) {
        return;
      }
      Http2Stream* stream = Find(frame.hd.stream_id);
      if (stream == nullptr) {
        return;
      }
      stream->answer_sent = true;
      if (!stream->request_complete) {
        // The rest of the request is of no use any more (RFC 9113, 8.1).
        nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, frame.hd.stream_id,
                                  NGHTTP2_NO_ERROR);
      }
      return;
    }
    case NGHTTP2_RST_STREAM:
      // Those the peer provoked; not the end of a request left unread, nor what a handler dropped.
      if (frame.rst_stream.error_code != NGHTTP2_NO_ERROR &&
          frame.rst_stream.error_code != NGHTTP2_INTERNAL_ERROR) {
        CountControlFrame();
      }
      return;
    default:
      return;
  }
}

void Http2Session::OnStreamClosed(int32_t stream_id, uint32_t error_code) {
  if (stream_id == half_a_head_) {
    half_a_head_since_ = absl::InfiniteFuture();  // it was refused in the middle
  }
  Http2Stream* stream = Find(stream_id);
  if (stream == nullptr) {
    return;
  }
  if (stream->answer_sent && error_code == NGHTTP2_NO_ERROR) {
    control_frames_ = 0;
  } else {
    std::shared_ptr<Http2Exchange> exchange =
        stream->exchange != nullptr ? std::move(stream->exchange) : stream->given.lock();
    if (exchange != nullptr) {
      exchange->Cancel();
    }
  }
  nghttp2_session_set_stream_user_data(session_, stream_id, nullptr);
  CloseStream(stream);
}

}  // namespace baton::net
