#pragma once

// For tests only: the client's side of an HTTP/2 connection without a socket, on nghttp2, and raw
// frames for what no client would send.

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/connection.h"
#include "net/exchange.h"
#include "net/testing_host.h"

namespace baton::net {

// One frame's bytes.
inline std::string RawFrame(uint8_t type, uint8_t flags, uint32_t stream_id,
                            std::string_view payload) {
  std::string frame;
  const auto put = [&frame](uint32_t value, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
      frame.push_back(static_cast<char>(value >> shift));
    }
  };
  put(static_cast<uint32_t>(payload.size()), 3);
  put(type, 1);
  put(flags, 1);
  put(stream_id, 4);
  frame.append(payload);
  return frame;
}

// What a client sends before anything else.
inline std::string RawPreface() {
  return std::string(NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN) +
         RawFrame(NGHTTP2_SETTINGS, 0, 0, "");
}

// Literal fields without indexing; names and values shorter than 127 bytes.
inline std::string RawHeaderBlock(const std::vector<Header>& fields) {
  std::string block;
  for (const Header& field : fields) {
    block.push_back(0);
    block.push_back(static_cast<char>(field.name.size()));
    block.append(field.name);
    block.push_back(static_cast<char>(field.value.size()));
    block.append(field.value);
  }
  return block;
}

inline std::vector<Header> RequestFields(std::string path = "/a.B/C") {
  return {{":method", "POST"},
          {":scheme", "http"},
          {":path", std::move(path)},
          {":authority", "test"},
          {"content-type", "application/grpc"},
          {"te", "trailers"}};
}

class Http2TestClient {
 public:
  struct Answer {
    std::string status;
    std::vector<Header> headers;
    std::vector<Header> trailers;
    std::string body;
    std::string frames;  // "H D H$": what came, $ for END_STREAM, R for RST_STREAM
    bool closed = false;
    uint32_t error = 0;
  };

  explicit Http2TestClient(std::vector<nghttp2_settings_entry> settings = {}) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, OnHeader);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, OnFrame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, OnData);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, OnClose);
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    // As much as the server may want to know of: it is the server that is tested.
    nghttp2_option_set_max_send_header_block_length(option, 64u << 20);
    nghttp2_session_client_new2(&session_, callbacks, this, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, 0, settings.data(), settings.size());
  }
  ~Http2TestClient() { nghttp2_session_del(session_); }
  Http2TestClient(const Http2TestClient&) = delete;
  Http2TestClient& operator=(const Http2TestClient&) = delete;

  nghttp2_session* session() { return session_; }
  Answer& answer(int32_t stream_id) { return answers_[stream_id]; }
  const std::vector<int32_t>& goaways() const { return goaways_; }  // last stream ids
  uint32_t goaway_error() const { return goaway_error_; }

  // Sends a whole request; or its headers only, to be followed by Send and End.
  int32_t Request(std::string body, std::vector<Header> fields = RequestFields()) {
    const int32_t id = Open(std::move(fields));
    Send(id, std::move(body));
    End(id);
    return id;
  }
  int32_t Open(std::vector<Header> fields = RequestFields()) {
    std::vector<nghttp2_nv> pairs;
    for (const Header& field : fields) {
      pairs.push_back(Pair(field));
    }
    nghttp2_data_provider provider{};
    provider.read_callback = OnRead;
    return nghttp2_submit_request(session_, nullptr, pairs.data(), pairs.size(), &provider,
                                  nullptr);
  }
  void Send(int32_t id, std::string bytes) {
    uploads_[id].bytes.append(bytes);
    nghttp2_session_resume_data(session_, id);
  }
  void End(int32_t id) {
    uploads_[id].complete = true;
    nghttp2_session_resume_data(session_, id);
  }
  void Reset(int32_t id, uint32_t error = NGHTTP2_CANCEL) {
    nghttp2_submit_rst_stream(session_, 0, id, error);
  }

  std::string Output() {
    std::string all;
    const uint8_t* data = nullptr;
    ssize_t size = 0;
    while ((size = nghttp2_session_mem_send(session_, &data)) > 0) {
      all.append(reinterpret_cast<const char*>(data), static_cast<size_t>(size));
    }
    return all;
  }
  void Input(std::string_view bytes) {
    nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()),
                             bytes.size());
  }

  // Moves bytes both ways, `step` at a time, until neither side has more to say. False when the
  // server is done with the connection.
  bool Talk(TestHost& host, ProtocolSession& server, size_t step = SIZE_MAX) {
    bool alive = true;
    for (;;) {
      host.RunTurn();
      const std::string down = host.Output(server, step);
      Input(down);
      const std::string up = Output();
      for (size_t at = 0; alive && at < up.size(); at += std::min(step, up.size() - at)) {
        alive = server.OnBytes(std::string_view(up).substr(at, step));
      }
      if (down.empty() && up.empty()) {
        return alive;
      }
    }
  }

 private:
  struct Upload {
    std::string bytes;
    size_t sent = 0;
    bool complete = false;
  };

  static nghttp2_nv Pair(const Header& field) {
    return {reinterpret_cast<uint8_t*>(const_cast<char*>(field.name.data())),
            reinterpret_cast<uint8_t*>(const_cast<char*>(field.value.data())), field.name.size(),
            field.value.size(), 0};
  }
  static std::string Text(const uint8_t* data, size_t size) {
    return std::string(reinterpret_cast<const char*>(data), size);
  }
  static Http2TestClient& Self(void* self) { return *static_cast<Http2TestClient*>(self); }

  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                      size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                      void* self) {
    Answer& answer = Self(self).answers_[frame->hd.stream_id];
    Header header{Text(name, name_size), Text(value, value_size)};
    if (header.name == ":status") {
      answer.status = header.value;
    } else if (frame->headers.cat == NGHTTP2_HCAT_RESPONSE) {
      answer.headers.push_back(std::move(header));
    } else {
      answer.trailers.push_back(std::move(header));
    }
    return 0;
  }
  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* self) {
    Http2TestClient& client = Self(self);
    if (frame->hd.type == NGHTTP2_GOAWAY) {
      client.goaways_.push_back(frame->goaway.last_stream_id);
      client.goaway_error_ = frame->goaway.error_code;
    }
    const char* names = frame->hd.type == NGHTTP2_HEADERS      ? "H"
                        : frame->hd.type == NGHTTP2_DATA       ? "D"
                        : frame->hd.type == NGHTTP2_RST_STREAM ? "R"
                                                               : nullptr;
    if (names != nullptr) {
      std::string& frames = client.answers_[frame->hd.stream_id].frames;
      frames.append(frames.empty() ? "" : " ").append(names);
      frames.append((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 && *names != 'R' ? "$" : "");
    }
    return 0;
  }
  static int OnData(nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size,
                    void* self) {
    Self(self).answers_[id].body.append(reinterpret_cast<const char*>(data), size);
    return 0;
  }
  static int OnClose(nghttp2_session*, int32_t id, uint32_t error, void* self) {
    Self(self).answers_[id].closed = true;
    Self(self).answers_[id].error = error;
    return 0;
  }
  static ssize_t OnRead(nghttp2_session*, int32_t id, uint8_t* out, size_t size, uint32_t* flags,
                        nghttp2_data_source*, void* self) {
    Upload& upload = Self(self).uploads_[id];
    const size_t taken = std::min(size, upload.bytes.size() - upload.sent);
    std::memcpy(out, upload.bytes.data() + upload.sent, taken);
    upload.sent += taken;
    if (upload.sent == upload.bytes.size() && upload.complete) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
    } else if (taken == 0) {
      return NGHTTP2_ERR_DEFERRED;
    }
    return static_cast<ssize_t>(taken);
  }

  nghttp2_session* session_ = nullptr;
  std::map<int32_t, Answer> answers_;
  std::map<int32_t, Upload> uploads_;
  std::vector<int32_t> goaways_;
  uint32_t goaway_error_ = 0;
};

}  // namespace baton::net
