#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "net/event_loop.h"
#include "net/exchange.h"
#include "net/limits.h"

namespace baton::net {

// Bytes waiting to be written, in order. Small pieces are gathered into one block; large buffers
// are kept by reference and leave through writev without a copy.
//
// Threads: confined to one loop. Owner: a Connection.
class OutputQueue {
 public:
  static constexpr size_t kCopyBelow = 8192;

  void Append(std::string_view bytes);  // copies
  void Append(base::Buffer buffer);     // by reference when it is kCopyBelow or larger
  bool empty() const { return bytes_ == 0; }
  size_t bytes() const { return bytes_; }

  // Writes as much as the socket takes. Returns false on a socket error other than "would block".
  bool WriteTo(int fd);

  // The next bytes, at most scratch.size() of them: as they lie when enough lie together, else
  // gathered in `scratch`. Drop takes them off. REQUIRES: not empty.
  std::string_view Front(std::span<char> scratch) const;
  // REQUIRES: bytes <= bytes().
  void Drop(size_t bytes) { Advance(bytes); }

  // Everything as one string, emptied; for tests and for sessions that run without a socket.
  std::string TakeAll();

 private:
  struct Piece {
    std::string copied;
    base::Buffer shared;  // used when not empty
    std::string_view view() const {
      return shared.empty() ? std::string_view(copied) : shared.view();
    }
  };

  void Advance(size_t written);
  void PopFront();

  // pieces_[front_..] wait to be written; those before are done and stay only until the queue has
  // run empty.
  std::vector<Piece> pieces_;
  size_t front_ = 0;
  size_t front_offset_ = 0;
  size_t bytes_ = 0;
  std::string spare_;  // an emptied block, kept for the next answer
};

// What a protocol session needs of the connection that carries it.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  virtual EventLoop& loop() = 0;
  virtual RequestHandler& handler() = 0;
  virtual const Limits& limits() const = 0;
  // Asks for CollectOutput and a write at the end of this turn.
  virtual void WantWrite() = 0;
  // Ends the connection at the end of this turn, after one more write: the peer is not expected to
  // read what is left.
  virtual void GiveUp() = 0;
  // False: what the peer sends waits in the socket, because too much waits to be written.
  virtual bool is_reading() const = 0;
};

// One connection's protocol, without sockets: bytes in, exchanges up, bytes out. Implemented by
// Http1Session and Http2Session.
//
// Threads: confined to the connection's loop. Owner: Connection. Errors: a false return ends the
// connection after what was collected has been written.
class ProtocolSession {
 public:
  virtual ~ProtocolSession() = default;

  // Bytes from the peer. False: protocol error or orderly end; close after flushing.
  virtual bool OnBytes(std::string_view bytes) = 0;
  // Appends what should be sent now. Called at the end of a turn and whenever the socket drained;
  // `room` is how much the connection likes to buffer, so a session with much to send stops there
  // and is called again.
  virtual void CollectOutput(OutputQueue& out, size_t room) = 0;
  // The peer will send no more (it shut down its half, or closed). True: answers are still under
  // way and wanted, wait for finished(); false: close after flushing.
  virtual bool OnEndOfInput() { return false; }
  // False: enough waits already; nothing is read from the socket until answers have left.
  virtual bool wants_input() const { return true; }
  // True: the peer may still be sending what nobody will read. A connection that closed at once
  // would reset the peer, which might then never see its answer; so it lingers.
  virtual bool leaves_input_unread() const { return false; }
  // True when nothing is left to say and the connection may be closed.
  virtual bool finished() const = 0;
  // No new requests from here on; those under way are answered (GOAWAY, "Connection: close").
  virtual void StartDrain() = 0;
  // The peer is gone or cut off: every unanswered exchange is cancelled. Nothing is called
  // afterwards.
  virtual void OnClosed() = 0;
};

std::unique_ptr<ProtocolSession> MakeHttp1Session(SessionHost* host);
std::unique_ptr<ProtocolSession> MakeHttp2Session(SessionHost* host);

}  // namespace baton::net
