#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "net/connection.h"
#include "net/event_loop.h"
#include "net/server_listener.h"
#include "net/tls_handshakes.h"
#include "net/tls_stream.h"

namespace baton::net {

class Connection;

// The loop's side of its connections: what they share, and who must hear of their end.
//
// Threads: confined to the loop. Owner: Server; outlives its connections.
class ConnectionOwner {
 public:
  virtual ~ConnectionOwner() = default;
  virtual EventLoop& loop() = 0;
  virtual const Limits& limits() const = 0;
  // One buffer for all connections of a loop: bytes stay in it only while a session looks at them.
  virtual std::vector<char>& read_buffer() = 0;
  virtual TlsHandshakes& handshakes() = 0;
  // The connection is closed and may be destroyed at the end of the turn.
  virtual void OnClosed(Connection* connection) = 0;
};

// One socket and its protocol session: reads what is there, and writes everything the session
// gathered once at the end of the turn. While too much waits to be written, nothing is read. With
// TLS a stream stands between the two, made when the first bytes arrive; until its handshake is
// over the session says nothing.
//
// Threads: confined to its loop. Owner: a ConnectionOwner. Errors: none to the caller; every socket
// error closes.
class Connection final : public SessionHost, private FdHandler, private TlsHandshakes::Party {
 public:
  static constexpr size_t kReadBufferBytes = 256 * 1024;
  static constexpr size_t kHighWater = size_t{1} << 20;

  // Takes over `fd`, which is non-blocking.
  Connection(ConnectionOwner* owner, int fd, const Terms& terms);
  ~Connection() override;  // REQUIRES: closed

  // Begins to read.
  void Start();
  // Finishes what is under way, then closes.
  void StartDrain();
  // Cuts it now: requests under way are cancelled.
  void Close();

  EventLoop& loop() override { return owner_.loop(); }
  RequestHandler& handler() override { return *terms_.handler; }
  const Limits& limits() const override { return owner_.limits(); }
  void WantWrite() override;
  void GiveUp() override;
  bool is_reading() const override { return (interest_ & EPOLLIN) != 0; }

 private:
  enum class State {
    kOpen,
    kClosing,    // nothing more is read; closes when all is written
    kLingering,  // all is written; what still comes is thrown away until the peer is done
    kClosed,
  };

  void OnReady(uint32_t events) override;
  void OnHandshakeExpired() override;
  void ReadAll();
  void OnBytes(std::string_view bytes);
  void OnRecords(std::string_view records);
  void OnEndOfInput();
  void Flush();
  bool WriteCollected();
  bool WriteOut();
  void Finish();
  void Linger();
  void ThrowAwayInput();
  void UpdateInterest();

  bool is_tls() const { return terms_.tls != nullptr; }
  bool is_shaking_hands() const { return is_tls() && handshake_ != 0; }
  // False: the peer has not shown who it is, or never will.
  bool may_speak() const { return !is_tls() || (tls_ != nullptr && tls_->is_established()); }
  size_t unwritten_bytes() const {
    return out_.bytes() + (tls_ != nullptr ? tls_->unsent_bytes() : 0);
  }

  ConnectionOwner& owner_;
  const Terms terms_;
  const int fd_;
  State state_ = State::kOpen;
  bool flush_is_due_ = false;
  bool input_ended_ = false;
  bool has_more_to_write_ = false;
  bool gives_up_ = false;
  uint32_t interest_ = 0;
  EventLoop::TimerId linger_timer_ = 0;
  OutputQueue out_;
  TlsHandshakes::Ticket handshake_ = 0;  // until it is over
  std::unique_ptr<TlsStream> tls_;
  std::unique_ptr<ProtocolSession> session_;
};

}  // namespace baton::net
