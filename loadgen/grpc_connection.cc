#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/check.h"
#include "base/strings.h"
#include "loadgen/connection.h"

namespace baton::loadgen {
namespace {

constexpr int32_t kWindow = 1 << 30;  // never the bottleneck
constexpr uint32_t kMaxFrameBytes = 1 << 20;
constexpr size_t kPrefixBytes = 5;  // gRPC's: a flag and the message's length

std::string Framed(std::string_view message) {
  std::string framed(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) {
    framed.push_back(static_cast<char>(message.size() >> shift));
  }
  framed.append(message);
  return framed;
}

// One request of the closed loop; reused for the next.
struct Slot {
  uint64_t sent_nanos = 0;
  size_t upload_offset = 0;
  size_t answer_bytes = 0;
  bool http_ok = false;
  bool body_ok = true;
  std::string grpc_status;
  std::string grpc_message;
};

class GrpcConnection final : public Connection {
 public:
  GrpcConnection(const LoadOptions& options, Tally* tally);
  ~GrpcConnection() override { nghttp2_session_del(session_); }
  GrpcConnection(const GrpcConnection&) = delete;
  GrpcConnection& operator=(const GrpcConnection&) = delete;

  void Start(uint64_t now_nanos) override;
  bool OnBytes(std::string_view bytes, uint64_t now_nanos) override;
  void CollectOutput(net::OutputQueue& out) override;
  int requests_under_way() const override { return under_way_; }

 private:
  static GrpcConnection& Self(void* self) { return *static_cast<GrpcConnection*>(self); }
  static const nghttp2_session_callbacks* Callbacks();
  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                      size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                      void* self);
  static int OnData(nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size,
                    void* self);
  static int OnClose(nghttp2_session*, int32_t id, uint32_t error, void* self);
  static ssize_t OnRead(nghttp2_session*, int32_t, uint8_t*, size_t length, uint32_t* flags,
                        nghttp2_data_source* source, void* self);
  static int OnSend(nghttp2_session*, nghttp2_frame*, const uint8_t* header, size_t length,
                    nghttp2_data_source* source, void* self);
  static ssize_t ReadLength(nghttp2_session*, uint8_t, int32_t, int32_t session_window,
                            int32_t stream_window, uint32_t max_frame, void*) {
    return std::min<int64_t>({session_window, stream_window, max_frame});
  }

  Slot* SlotOf(int32_t id) {
    return static_cast<Slot*>(nghttp2_session_get_stream_user_data(session_, id));
  }
  void AddField(std::string_view name, std::string_view value);
  void Send(Slot* slot);
  void Judge(const Slot& slot, uint32_t error);

  Tally& tally_;
  const std::string path_;
  const std::string authority_;
  const base::Buffer upload_;
  const std::string expected_;  // framed; empty: anything
  std::vector<nghttp2_nv> fields_;
  std::vector<Slot> slots_;
  nghttp2_session* session_ = nullptr;
  net::OutputQueue* out_ = nullptr;
  uint64_t now_nanos_ = 0;
  int under_way_ = 0;
  bool closing_ = false;
};

GrpcConnection::GrpcConnection(const LoadOptions& options, Tally* tally)
    : tally_(*tally),
      path_(options.path),
      authority_(base::StrCat(options.host, ":", options.port)),
      upload_(base::Buffer::FromString(Framed(options.body))),
      expected_(options.expected.has_value() ? Framed(*options.expected) : std::string()),
      slots_(static_cast<size_t>(options.streams)) {
  AddField(":method", "POST");
  AddField(":scheme", "http");
  AddField(":path", path_);
  AddField(":authority", authority_);
  AddField("te", "trailers");
  AddField("content-type", "application/grpc");
  AddField("user-agent", "baton-loadgen");
  BATON_CHECK(nghttp2_session_client_new(&session_, Callbacks(), this) == 0);
  const std::array<nghttp2_settings_entry, 3> settings = {{
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindow},
      {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, kMaxFrameBytes},
  }};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kWindow);
}

// `name` is a literal; `value` a literal or a member.
void GrpcConnection::AddField(std::string_view name, std::string_view value) {
  fields_.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                     reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(),
                     value.size(), NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE});
}

const nghttp2_session_callbacks* GrpcConnection::Callbacks() {
  static const nghttp2_session_callbacks* table = [] {
    nghttp2_session_callbacks* made = nullptr;
    BATON_CHECK(nghttp2_session_callbacks_new(&made) == 0);
    nghttp2_session_callbacks_set_on_header_callback(made, OnHeader);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, OnData);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, OnClose);
    nghttp2_session_callbacks_set_send_data_callback(made, OnSend);
    nghttp2_session_callbacks_set_data_source_read_length_callback(made, ReadLength);
    return made;
  }();
  return table;
}

void GrpcConnection::Start(uint64_t now_nanos) {
  now_nanos_ = now_nanos;
  for (Slot& slot : slots_) {
    Send(&slot);
  }
}

void GrpcConnection::Send(Slot* slot) {
  slot->sent_nanos = now_nanos_;
  slot->upload_offset = slot->answer_bytes = 0;
  slot->http_ok = false;
  slot->body_ok = true;
  slot->grpc_status.clear();
  slot->grpc_message.clear();
  nghttp2_data_provider provider;
  provider.source.ptr = slot;
  provider.read_callback = OnRead;
  if (nghttp2_submit_request(session_, nullptr, fields_.data(), fields_.size(), &provider, slot) >
      0) {
    ++under_way_;
  } else {
    closing_ = true;  // the peer said GOAWAY, or the stream numbers are used up
  }
}

bool GrpcConnection::OnBytes(std::string_view bytes, uint64_t now_nanos) {
  now_nanos_ = now_nanos;
  const ssize_t taken = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  return taken >= 0 && (under_way_ > 0 || !closing_) &&
         (nghttp2_session_want_read(session_) != 0 || nghttp2_session_want_write(session_) != 0);
}

void GrpcConnection::CollectOutput(net::OutputQueue& out) {
  out_ = &out;
  const uint8_t* frame = nullptr;
  ssize_t size = 0;
  while ((size = nghttp2_session_mem_send(session_, &frame)) > 0) {
    out.Append({reinterpret_cast<const char*>(frame), static_cast<size_t>(size)});
  }
  out_ = nullptr;
}

int GrpcConnection::OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                             size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                             void* self) {
  Slot* slot = Self(self).SlotOf(frame->hd.stream_id);
  if (slot == nullptr) {
    return 0;
  }
  const std::string_view field(reinterpret_cast<const char*>(name), name_size);
  const std::string_view text(reinterpret_cast<const char*>(value), value_size);
  if (field == ":status") {
    slot->http_ok = text == "200";
  } else if (field == "grpc-status") {
    slot->grpc_status = text;
  } else if (field == "grpc-message") {
    slot->grpc_message = text;
  }
  return 0;
}

int GrpcConnection::OnData(nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size,
                           void* self) {
  Slot* slot = Self(self).SlotOf(id);
  if (slot == nullptr) {
    return 0;
  }
  const std::string& expected = Self(self).expected_;
  if (!expected.empty()) {
    slot->body_ok = slot->body_ok && slot->answer_bytes + size <= expected.size() &&
                    std::memcmp(expected.data() + slot->answer_bytes, data, size) == 0;
  }
  slot->answer_bytes += size;
  return 0;
}

void GrpcConnection::Judge(const Slot& slot, uint32_t error) {
  if (error != NGHTTP2_NO_ERROR) {
    tally_.Bad(base::StrCat("stream reset: ", nghttp2_http2_strerror(error)));
  } else if (!slot.http_ok) {
    tally_.Bad("HTTP status is not 200");
  } else if (slot.grpc_status != "0") {
    tally_.Bad(slot.grpc_status.empty()
                   ? std::string("no grpc-status")
                   : base::StrCat("grpc-status ", slot.grpc_status, ": ", slot.grpc_message));
  } else if (slot.answer_bytes < kPrefixBytes || !slot.body_ok ||
             (!expected_.empty() && slot.answer_bytes != expected_.size())) {
    tally_.Bad("the answer's bytes are not as expected");
  } else {
    tally_.Good(now_nanos_ - slot.sent_nanos);
  }
}

int GrpcConnection::OnClose(nghttp2_session*, int32_t id, uint32_t error, void* self) {
  GrpcConnection& connection = Self(self);
  if (Slot* slot = connection.SlotOf(id); slot != nullptr) {
    --connection.under_way_;
    connection.Judge(*slot, error);
    // After a GOAWAY the library refuses by itself, at once: asking again would never end.
    if (nghttp2_session_check_request_allowed(connection.session_) == 0) {
      connection.closing_ = true;
    } else {
      connection.Send(slot);
    }
  }
  return 0;
}

ssize_t GrpcConnection::OnRead(nghttp2_session*, int32_t, uint8_t*, size_t length, uint32_t* flags,
                               nghttp2_data_source* source, void* self) {
  Slot& slot = *static_cast<Slot*>(source->ptr);
  const size_t left = Self(self).upload_.size() - slot.upload_offset;
  *flags = NGHTTP2_DATA_FLAG_NO_COPY;
  if (left <= length) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
  }
  return static_cast<ssize_t>(std::min(left, length));
}

int GrpcConnection::OnSend(nghttp2_session*, nghttp2_frame*, const uint8_t* header, size_t length,
                           nghttp2_data_source* source, void* self) {
  constexpr size_t kFrameHeaderBytes = 9;
  GrpcConnection& connection = Self(self);
  Slot& slot = *static_cast<Slot*>(source->ptr);
  connection.out_->Append({reinterpret_cast<const char*>(header), kFrameHeaderBytes});
  connection.out_->Append(connection.upload_.Slice(slot.upload_offset, length));
  slot.upload_offset += length;
  return 0;
}

}  // namespace

std::unique_ptr<Connection> MakeGrpcConnection(const LoadOptions& options, Tally* tally) {
  return std::make_unique<GrpcConnection>(options, tally);
}

}  // namespace baton::loadgen
