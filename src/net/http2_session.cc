#include "net/http2_session.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "base/check.h"

namespace baton::net {
namespace {

constexpr uint32_t kStreamWindow = 8u << 20;
constexpr int32_t kConnectionWindow = 64 << 20;
constexpr uint32_t kMaxFrameBytes = 1u
                                    << 20;  // a frame header every 16 KiB costs more than it gives
// Header bytes above this multiple of the limit end the connection: the peer is not merely
// wasteful.
constexpr size_t kHeaderBombFactor = 16;
constexpr size_t kSpareStreams = 64;
// Control frames are forgiven after this time, so that keep-alive pings of an idle client never add
// up.
constexpr absl::Duration kForgiveAfter = absl::Seconds(10);
constexpr std::array<uint8_t, 8> kDrainPing = {'d', 'r', 'a', 'i', 'n', 0, 0, 0};

std::string_view View(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

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

// Plain functions for the C library; each finds its session and goes on there.
struct Http2Session::Callbacks {
  static Http2Session& Self(void* user_data) { return *static_cast<Http2Session*>(user_data); }

  static int BeginHeaders(nghttp2_session*, const nghttp2_frame* frame, void* self) {
    return Self(self).OnBeginHeaders(*frame);
  }
  static int Header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                    size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                    void* self) {
    return Self(self).OnHeader(*frame, View(name, name_size), View(value, value_size));
  }
  // A field with forbidden bytes refuses its request; ignoring it would change its meaning.
  static int InvalidHeader(nghttp2_session*, const nghttp2_frame*, const uint8_t*, size_t,
                           const uint8_t*, size_t, uint8_t, void*) {
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  static int FrameReceived(nghttp2_session*, const nghttp2_frame* frame, void* self) {
    return Self(self).OnFrame(*frame);
  }
  static int DataChunk(nghttp2_session*, uint8_t flags, int32_t stream_id, const uint8_t* data,
                       size_t size, void* self) {
    return Self(self).OnData(flags, stream_id, View(data, size));
  }
  static ssize_t ReadLength(nghttp2_session*, uint8_t, int32_t, int32_t session_window,
                            int32_t stream_window, uint32_t peer_max_frame, void*) {
    return std::min<int64_t>({session_window, stream_window, peer_max_frame, kMaxFrameBytes});
  }
  static ssize_t Read(nghttp2_session*, int32_t, uint8_t*, size_t length, uint32_t* data_flags,
                      nghttp2_data_source* source, void* self) {
    return Self(self).ReadParts(*static_cast<Http2Stream*>(source->ptr), length, data_flags);
  }
  static int Send(nghttp2_session*, nghttp2_frame* frame, const uint8_t* frame_header,
                  size_t length, nghttp2_data_source* source, void* self) {
    return Self(self).SendData(*frame, frame_header, length,
                               *static_cast<Http2Stream*>(source->ptr));
  }
  static int FrameSent(nghttp2_session*, const nghttp2_frame* frame, void* self) {
    Self(self).OnFrameSent(*frame);
    return 0;
  }
  static int StreamClosed(nghttp2_session*, int32_t stream_id, uint32_t error_code, void* self) {
    Self(self).OnStreamClosed(stream_id, error_code);
    return 0;
  }

  // One table for all sessions; the library copies what it needs.
  static const nghttp2_session_callbacks* Table() {
    static const nghttp2_session_callbacks* table = [] {
      nghttp2_session_callbacks* made = nullptr;
      BATON_CHECK(nghttp2_session_callbacks_new(&made) == 0);
      nghttp2_session_callbacks_set_on_begin_headers_callback(made, BeginHeaders);
      nghttp2_session_callbacks_set_on_header_callback(made, Header);
      nghttp2_session_callbacks_set_on_invalid_header_callback(made, InvalidHeader);
      nghttp2_session_callbacks_set_on_frame_recv_callback(made, FrameReceived);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, DataChunk);
      nghttp2_session_callbacks_set_data_source_read_length_callback(made, ReadLength);
      nghttp2_session_callbacks_set_send_data_callback(made, Send);
      nghttp2_session_callbacks_set_on_frame_send_callback(made, FrameSent);
      nghttp2_session_callbacks_set_on_stream_close_callback(made, StreamClosed);
      return made;
    }();
    return table;
  }
};

std::unique_ptr<ProtocolSession> MakeHttp2Session(SessionHost* host) {
  return std::make_unique<Http2Session>(host);
}

Http2Session::Http2Session(SessionHost* host)
    : host_(host), link_(std::make_shared<Http2Link>(Http2Link{host->loop(), this})) {
  const uint32_t patience = host_->limits().max_control_frames;
  nghttp2_option* option = nullptr;
  BATON_CHECK(nghttp2_option_new(&option) == 0);
  nghttp2_option_set_max_outbound_ack(option, patience);
  // Resets are counted here, with everything else: an overloaded server sees thousands of expired
  // calls a second.
  nghttp2_option_set_stream_reset_rate_limit(option, uint64_t{1} << 32, uint64_t{1} << 32);
  BATON_CHECK(nghttp2_session_server_new2(&session_, Callbacks::Table(), this, option) == 0);
  nghttp2_option_del(option);
  SubmitSettings();
  WantWrite();
}

Http2Session::~Http2Session() {
  link_->session = nullptr;
  nghttp2_session_del(session_);
}

void Http2Session::SubmitSettings() {
  const Limits& limits = host_->limits();
  const auto header_bytes =
      static_cast<uint32_t>(std::min<size_t>(limits.max_header_bytes, UINT32_MAX));
  const std::array<nghttp2_settings_entry, 5> settings = {{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.max_concurrent_streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
      {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, kMaxFrameBytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, header_bytes},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  }};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
}

bool Http2Session::OnBytes(std::string_view bytes) {
  if (broken_ || cut_off_) {
    return false;
  }
  const ssize_t taken = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  broken_ = taken < 0;
  WantWrite();
  return !broken_ && !cut_off_;
}

void Http2Session::CollectOutput(OutputQueue& out, size_t room) {
  const size_t start = out.bytes();
  out_ = &out;
  out_limit_ = room > SIZE_MAX - start ? SIZE_MAX : start + room;
  while (!broken_ && out.bytes() < out_limit_) {
    const uint8_t* frame = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &frame);
    if (size <= 0) {
      broken_ = size < 0;
      break;
    }
    out.Append(View(frame, static_cast<size_t>(size)));
  }
  out_ = nullptr;
}

bool Http2Session::finished() const {
  return broken_ ||
         (nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0);
}

void Http2Session::StartDrain() {
  if (draining_) {
    return;
  }
  draining_ = true;
  if (open_.empty()) {
    SubmitFinalGoaway();
  } else {
    // Requests may be on their way: the peer's answer to the ping says that it knows, and that none
    // is left.
    nghttp2_submit_shutdown_notice(session_);
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, kDrainPing.data());
  }
  WantWrite();
}

void Http2Session::SubmitFinalGoaway() {
  if (std::exchange(final_goaway_sent_, true)) {
    return;
  }
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                        nullptr, 0);
}

void Http2Session::OnClosed() {
  link_->session = nullptr;
  broken_ = true;
  // Each cancellation may drop readers and exchanges of its own stream only; the session is told
  // nothing any more.
  for (std::unique_ptr<Http2Stream>& stream : std::exchange(open_, {})) {
    std::shared_ptr<Http2Exchange> exchange =
        stream->exchange != nullptr ? stream->exchange : stream->given.lock();
    if (exchange != nullptr) {
      exchange->Cancel();
    }
  }
}

void Http2Session::CountControlFrame() {
  const absl::Time now = host_->loop().now();
  if (now - control_frames_since_ > kForgiveAfter) {
    control_frames_since_ = now;
    control_frames_ = 0;
  }
  if (++control_frames_ > host_->limits().max_control_frames && !cut_off_) {
    cut_off_ = true;
    nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
  }
}

Http2Stream* Http2Session::Find(int32_t stream_id) const {
  return static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(session_, stream_id));
}

Http2Stream* Http2Session::OpenStream(int32_t stream_id) {
  std::unique_ptr<Http2Stream> stream;
  if (spare_.empty()) {
    stream = std::make_unique<Http2Stream>();
  } else {
    stream = std::move(spare_.back());
    spare_.pop_back();
  }
  stream->id = stream_id;
  stream->index = open_.size();
  stream->exchange = std::make_shared<Http2Exchange>(link_, stream_id);
  open_.push_back(std::move(stream));
  return open_.back().get();
}

void Http2Session::CloseStream(Http2Stream* stream) {
  const size_t index = stream->index;
  std::swap(open_[index], open_.back());
  open_[index]->index = index;
  std::unique_ptr<Http2Stream> closed = std::move(open_.back());
  open_.pop_back();
  closed->Reset();
  if (spare_.size() < kSpareStreams) {
    spare_.push_back(std::move(closed));
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Requests.

int Http2Session::OnBeginHeaders(const nghttp2_frame& frame) {
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
  const Limits& limits = host_->limits();
  stream->header_bytes += name.size() + value.size() + 32;  // RFC 9113, 6.5.2
  ++stream->header_count;
  if (stream->header_bytes > limits.max_header_bytes || stream->header_count > limits.max_headers) {
    if (stream->header_bytes / kHeaderBombFactor > limits.max_header_bytes) {
      cut_off_ = true;
      nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return 0;  // answered when the block is complete
  }
  if (stream->headers_complete) {
    return 0;  // a request's trailers say nothing to us
  }
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
        if (draining_ && std::equal(kDrainPing.begin(), kDrainPing.end(), frame.ping.opaque_data)) {
          SubmitFinalGoaway();
        }
        return 0;
      }
      CountControlFrame();
      return 0;
    case NGHTTP2_SETTINGS:
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
  const Limits& limits = host_->limits();
  if (stream.header_bytes > limits.max_header_bytes || stream.header_count > limits.max_headers) {
    RefuseHeaders(stream);
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
    RefuseBody(*stream);
    return 0;
  }
  const bool last = (flags & NGHTTP2_FLAG_END_STREAM) != 0;
  stream->body.Append(bytes, last, [&](std::string_view first_bytes) {
    return handler.AlignedOffset(request, first_bytes);
  });
  return 0;
}

void Http2Session::RefuseBody(Http2Stream& stream) {
  stream.body = Http2Body();
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

// ---------------------------------------------------------------------------------------------------------------------
// Answers.

void Http2Session::Answer(int32_t stream_id, Response response) {
  Http2Stream* stream = Find(stream_id);
  if (stream == nullptr || stream->answering) {
    return;
  }
  stream->answering = stream->all_parts_here = true;
  for (base::Buffer& part : response.body) {
    stream->parts.Add(std::move(part));
  }
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
  provider.read_callback = Callbacks::Read;
  nghttp2_submit_data(session_, NGHTTP2_FLAG_END_STREAM, stream.id, &provider);
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
  out_->Append(View(frame_header, kFrameHeaderBytes));
  stream.parts.Take(length, [this](base::Buffer part) { out_->Append(std::move(part)); });
  return out_->bytes() < out_limit_ ? 0 : NGHTTP2_ERR_PAUSE;
}

void Http2Session::OnFrameSent(const nghttp2_frame& frame) {
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA: {
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
