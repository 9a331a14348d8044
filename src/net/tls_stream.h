#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "net/connection.h"
#include "net/exchange.h"
#include "net/tls.h"

struct ssl_st;  // OpenSSL's SSL

namespace baton::net {

// The server's end of one TLS connection, without its socket: records in and plain bytes out, plain
// bytes in and records out. It holds no buffers of its own while it is idle; the caller lends those
// of its loop.
//
// Threads: confined to the connection's loop. Owner: a Connection. Errors: Read says kBroken, and
// error() why; an alert for the peer then waits among the unsent records.
class TlsStream {
 public:
  // Plain bytes are encrypted in runs of about this many, so that one write carries many records.
  static constexpr size_t kWriteBytes = 128 * 1024;

  TlsStream(const TlsContext& context, Protocol protocol);
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  enum class Progress {
    kOpen,
    kRefused,  // `sink` said no
    kEnded,    // the peer will send no more, and said so
    kBroken,
  };
  // Goes on with the handshake, then decrypts into `room` and hands out what it holds, as often as
  // that takes. Records and alerts for the peer may wait afterwards.
  // REQUIRES: `room` has kRoomBytes or more; `sink` does not destroy the stream.
  static constexpr size_t kRoomBytes = 64 * 1024;
  Progress Read(std::string_view records, std::vector<char>& room,
                absl::FunctionRef<bool(std::string_view)> sink);

  // The handshake is over: what is written now reaches the peer it was meant for.
  bool is_established() const { return is_established_ && error_.empty(); }
  const std::string& error() const { return error_; }

  // Encrypts `out` and writes until it is empty or the socket is full. `records` is scratch memory.
  // Returns false on a socket error.
  bool Write(int fd, OutputQueue& out, std::string& records);
  // Writes waiting records alone.
  bool WriteUnsent(int fd);
  size_t unsent_bytes() const { return unsent_.size() - unsent_offset_; }

  // "No more from here" (close_notify) to the waiting records.
  void SayGoodbye();

 private:
  struct Bio;  // OpenSSL's view of this stream as a socket

  Progress Handshake();
  Progress ReadPlain(std::vector<char>& room, absl::FunctionRef<bool(std::string_view)> sink);
  Progress Break(int code);
  bool Encrypt(OutputQueue& out);

  ssl_st* const ssl_;
  const Protocol protocol_;
  bool is_established_ = false;
  std::string error_;
  std::string_view input_;          // of the Read that runs
  std::string unsent_;              // records that the socket did not take yet
  size_t unsent_offset_ = 0;        // those before it are written
  std::string* output_ = &unsent_;  // where OpenSSL's records go
};

}  // namespace baton::net
