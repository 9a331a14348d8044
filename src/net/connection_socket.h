#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "net/connection.h"
#include "net/event_loop.h"

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
  // The connection is closed and may be destroyed at the end of the turn.
  virtual void OnClosed(Connection* connection) = 0;
};

// One socket and its protocol session: reads what is there, and writes everything the session
// gathered once at the end of the turn. While too much waits to be written, nothing is read.
//
// Threads: confined to its loop. Owner: a ConnectionOwner. Errors: none to the caller; every socket
// error closes.
class Connection final : public SessionHost, private FdHandler {
 public:
  static constexpr size_t kReadBufferBytes = 256 * 1024;
  static constexpr size_t kHighWater = size_t{1} << 20;

  // Takes over `fd`, which is non-blocking.
  Connection(ConnectionOwner* owner, int fd, Protocol protocol, RequestHandler* handler);
  ~Connection() override;  // REQUIRES: closed

  // Begins to read.
  void Start();
  // Finishes what is under way, then closes.
  void StartDrain();
  // Cuts it now: requests under way are cancelled.
  void Close();

  EventLoop& loop() override { return owner_.loop(); }
  RequestHandler& handler() override { return handler_; }
  const Limits& limits() const override { return owner_.limits(); }
  void WantWrite() override;

 private:
  enum class State {
    kOpen,
    kClosing,    // nothing more is read; closes when all is written
    kLingering,  // all is written; what still comes is thrown away until the peer is done
    kClosed,
  };

  void OnReady(uint32_t events) override;
  void ReadAll();
  void OnEndOfInput();
  void Flush();
  bool WriteCollected();
  void Finish();
  void Linger();
  void ThrowAwayInput();
  void UpdateInterest();

  ConnectionOwner& owner_;
  RequestHandler& handler_;
  const int fd_;
  State state_ = State::kOpen;
  bool flush_is_due_ = false;
  bool input_ended_ = false;
  bool has_more_to_write_ = false;
  uint32_t interest_ = 0;
  EventLoop::TimerId linger_timer_ = 0;
  OutputQueue out_;
  std::unique_ptr<ProtocolSession> session_;
};

}  // namespace baton::net
