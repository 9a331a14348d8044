#include "net/http2_session.h"

#include <algorithm>
#include <array>
#include <random>
#include <utility>

#include "base/check.h"

namespace baton::net {
namespace {

constexpr uint32_t kStreamWindow = 8u << 20;
constexpr int32_t kConnectionWindow = 64 << 20;
constexpr size_t kSpareStreams = 64;
constexpr size_t kUsualHeaders = 8;  // a gRPC client sends five to seven
// Control frames are forgiven after this time, so that keep-alive pings of an idle client never add
// up.
constexpr absl::Duration kForgiveAfter = absl::Seconds(10);
constexpr std::array<uint8_t, 8> kDrainPing = {'d', 'r', 'a', 'i', 'n', 0, 0, 0};

// A field of the compressor's table costs a peer one byte and us four thousand. Clients refer to
// each of theirs once a request, which brings a body as well; this multiple is far from all of
// them.
constexpr uint64_t kMaxHeaderGrowth = 128;
constexpr uint64_t kHeaderAllowance = 1 << 20;

// In [-1, 1], where it matters.
double Spread(const Limits& limits) {
  if (limits.http2.max_connection_age == absl::InfiniteDuration()) {
    return 0;
  }
  thread_local std::minstd_rand random(std::random_device{}());
  return std::uniform_real_distribution<double>(-1, 1)(random);
}

std::string_view View(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
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
                            int32_t stream_window, uint32_t peer_max_frame, void* self) {
    const uint32_t ours = Self(self).host_->limits().http2.max_frame_bytes;
    return std::min<int64_t>({session_window, stream_window, peer_max_frame, ours});
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
    : host_(host),
      link_(std::make_shared<Http2Link>(Http2Link{host->loop(), this})),
      lifetime_(host->limits(), host->loop().now(), Spread(host->limits())) {
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
  Watch();
}

Http2Session::~Http2Session() {
  link_->answers = nullptr;
  if (watch_timer_ != 0) {
    host_->loop().Cancel(watch_timer_);
  }
  nghttp2_session_del(session_);
}

void Http2Session::SubmitSettings() {
  const Limits& limits = host_->limits();
  const auto header_bytes =
      static_cast<uint32_t>(std::min<size_t>(limits.http2.max_header_bytes, UINT32_MAX));
  const std::array<nghttp2_settings_entry, 4> settings = {{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.max_concurrent_streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
      {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, limits.http2.max_frame_bytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, header_bytes},
  }};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
}

bool Http2Session::OnBytes(std::string_view bytes) {
  if (broken_ || cut_off_) {
    return false;
  }
  lifetime_.OnInput(host_->loop().now());
  wire_bytes_ += bytes.size();
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
    StartGentleDrain();
  }
  WantWrite();
}

// Requests may be on their way: the peer's answer to the ping says that it knows, and that none is
// left.
void Http2Session::StartGentleDrain() {
  draining_ = true;
  nghttp2_submit_shutdown_notice(session_);
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, kDrainPing.data());
}

void Http2Session::SubmitFinalGoaway() {
  if (std::exchange(final_goaway_sent_, true)) {
    return;
  }
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                        nullptr, 0);
}

void Http2Session::OnPing() {
  CountControlFrame();
  if (!cut_off_ && !lifetime_.AllowsPing(host_->loop().now(), open_.size())) {
    // The text by which gRPC clients learn to ping less.
    constexpr std::string_view kReason = "too_many_pings";
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(session_),
                          NGHTTP2_ENHANCE_YOUR_CALM,
                          reinterpret_cast<const uint8_t*>(kReason.data()), kReason.size());
    cut_off_ = true;
  }
}

void Http2Session::OnPingAnswer(const uint8_t* opaque) {
  if (draining_ && std::equal(kDrainPing.begin(), kDrainPing.end(), opaque)) {
    SubmitFinalGoaway();
  }
}

void Http2Session::OnClosed() {
  link_->answers = nullptr;
  recent_ = nullptr;
  broken_ = true;
  if (watch_timer_ != 0) {
    host_->loop().Cancel(std::exchange(watch_timer_, 0));
  }
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
  if (++control_frames_ > host_->limits().max_control_frames) {
    CutOff(NGHTTP2_ENHANCE_YOUR_CALM);
  }
}

void Http2Session::CountHeader(size_t bytes) {
  header_bytes_ += bytes;
  if (header_bytes_ <= kHeaderAllowance) {
    return;
  }
  if (header_bytes_ > kHeaderAllowance + kMaxHeaderGrowth * wire_bytes_) {
    CutOff(NGHTTP2_ENHANCE_YOUR_CALM);
  }
  // What lies long behind must not pay for a flood.
  if (wire_bytes_ > kHeaderAllowance) {
    wire_bytes_ /= 2;
    header_bytes_ /= 2;
  }
}

void Http2Session::CutOff(uint32_t error_code) {
  if (!std::exchange(cut_off_, true)) {
    nghttp2_session_terminate_session(session_, error_code);
  }
}

// Does what is due, and sets the timer for what comes next.
void Http2Session::Watch() {
  watch_timer_ = 0;
  const absl::Time now = host_->loop().now();
  while (!cut_off_ && !broken_) {
    const Http2Lifetime::Connection state = Observe();
    switch (lifetime_.Check(now, state)) {
      case Http2Lifetime::Verdict::kStay:
        watch_timer_ = host_->loop().RunAt(lifetime_.NextCheck(now, state), [this] { Watch(); });
        return;
      case Http2Lifetime::Verdict::kPing:
        nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
        break;
      case Http2Lifetime::Verdict::kGoAway:
        StartGentleDrain();
        break;
      case Http2Lifetime::Verdict::kDropBodies:
        DropHalfBodies();
        break;
      case Http2Lifetime::Verdict::kCutOff:
        CutOff(NGHTTP2_NO_ERROR);
        host_->GiveUp();
        break;
    }
    WantWrite();
  }
}

Http2Lifetime::Connection Http2Session::Observe() const {
  return {
      .open_calls = open_.size(),
      .has_settings = has_settings_,
      .half_a_head_since = half_a_head_since_,
      .has_half_a_body = std::any_of(open_.begin(), open_.end(),
                                     [](const auto& stream) { return stream->has_half_a_body(); }),
      .is_reading = host_->is_reading()};
}

void Http2Session::DropHalfBodies() {
  for (const std::unique_ptr<Http2Stream>& stream : open_) {
    if (stream->has_half_a_body()) {
      stream->body = Http2Body();
      RefuseStream(*stream, NGHTTP2_CANCEL);
    }
  }
}

Http2Stream* Http2Session::Find(int32_t stream_id) {
  if (recent_ == nullptr || recent_->id != stream_id) {
    recent_ = static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(session_, stream_id));
  }
  return recent_;
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
  stream->exchange->mutable_request().headers.Reserve(kUsualHeaders);
  open_.push_back(std::move(stream));
  recent_ = open_.back().get();
  return recent_;
}

void Http2Session::CloseStream(Http2Stream* stream) {
  recent_ = nullptr;
  const size_t index = stream->index;
  std::swap(open_[index], open_.back());
  open_[index]->index = index;
  std::unique_ptr<Http2Stream> closed = std::move(open_.back());
  open_.pop_back();
  kept_header_bytes_ -= closed->kept_header_bytes;
  waiting_answer_bytes_ -= closed->parts.bytes();
  closed->Reset();
  if (open_.empty()) {
    lifetime_.OnIdle(host_->loop().now());
  }
  if (spare_.size() < kSpareStreams) {
    spare_.push_back(std::move(closed));
  }
}

}  // namespace baton::net
