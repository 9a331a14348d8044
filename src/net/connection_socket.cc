#include "net/connection_socket.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/check.h"

namespace baton::net {
namespace {

// A peer that sends without pause must not keep the loop from the others: level-triggered epoll
// brings us back.
constexpr int kReadsPerTurn = 16;
constexpr int kWritesPerTurn = 16;
constexpr absl::Duration kLinger = absl::Seconds(5);

}  // namespace

Connection::Connection(ConnectionOwner* owner, int fd, const Terms& terms)
    : owner_(*owner), terms_(terms), fd_(fd) {
  session_ = terms.protocol == Protocol::kHttp2 ? MakeHttp2Session(this) : MakeHttp1Session(this);
}

Connection::~Connection() { BATON_CHECK(state_ == State::kClosed); }

void Connection::Start() {
  interest_ = EPOLLIN;
  if (!loop().Add(fd_, interest_, this)) {
    Close();
    return;
  }
  if (is_tls()) {
    handshake_ = owner_.handshakes().Enter(this);
  }
  // A server speaks first in some protocols (HTTP/2 settings), and the first request is often here
  // already.
  ReadAll();
  WantWrite();
}

void Connection::StartDrain() {
  if (state_ != State::kOpen) {
    return;
  }
  if (is_shaking_hands()) {
    Close();  // nobody has asked anything yet
    return;
  }
  // A request that has arrived before the drain is still answered.
  ReadAll();
  if (state_ == State::kOpen) {
    session_->StartDrain();
    WantWrite();
  }
}

void Connection::WantWrite() {
  if (flush_is_due_ || state_ == State::kClosed) {
    return;
  }
  flush_is_due_ = true;
  loop().AtTurnEnd([this] { Flush(); });
}

void Connection::GiveUp() {
  gives_up_ = true;
  WantWrite();
}

void Connection::OnHandshakeExpired() {
  handshake_ = 0;
  Close();
}

void Connection::OnReady(uint32_t events) {
  if (state_ == State::kLingering) {
    ThrowAwayInput();
    return;
  }
  if ((events & EPOLLIN) != 0) {
    ReadAll();
  } else if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
    // Both directions are gone: a reset, or a peer that closed while we were not reading.
    Close();
    return;
  }
  if ((events & EPOLLOUT) != 0) {
    WantWrite();
  }
}

void Connection::ReadAll() {
  if (is_shaking_hands() && !owner_.handshakes().MayStep()) {
    return;  // the loop reports it again
  }
  std::vector<char>& buffer = owner_.read_buffer();
  for (int i = 0; i < kReadsPerTurn && state_ == State::kOpen && !input_ended_; ++i) {
    const ssize_t count = recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      break;
    }
    if (count < 0) {
      Close();
      return;
    }
    if (count == 0) {
      OnEndOfInput();
      break;
    }
    OnBytes({buffer.data(), static_cast<size_t>(count)});
    // A short read means that the socket is empty; asking again would cost a system call to hear
    // it.
    if (static_cast<size_t>(count) < buffer.size() || !session_->wants_input()) {
      break;
    }
  }
  if (state_ == State::kClosing || session_->finished()) {
    WantWrite();
  } else {
    UpdateInterest();
  }
}

void Connection::OnBytes(std::string_view bytes) {
  if (is_tls()) {
    OnRecords(bytes);
  } else if (!session_->OnBytes(bytes)) {
    state_ = State::kClosing;
  }
}

void Connection::OnRecords(std::string_view records) {
  TlsHandshakes& handshakes = owner_.handshakes();
  if (tls_ == nullptr) {
    tls_ = std::make_unique<TlsStream>(*terms_.tls->Current(), terms_.protocol);
  }
  const bool was_established = tls_->is_established();
  if (!was_established) {
    handshakes.CountStep();
  }
  const auto progress = tls_->Read(records, handshakes.plain(), [this](std::string_view bytes) {
    return session_->OnBytes(bytes);
  });
  switch (progress) {
    case TlsStream::Progress::kOpen:
      break;
    case TlsStream::Progress::kRefused:
      state_ = State::kClosing;
      break;
    case TlsStream::Progress::kEnded:
      OnEndOfInput();
      break;
    case TlsStream::Progress::kBroken:
      handshakes.ReportFailure(tls_->error());
      state_ = State::kClosing;
      break;
  }
  if (is_shaking_hands() && (tls_->is_established() || state_ == State::kClosing)) {
    handshakes.Leave(std::exchange(handshake_, 0));
  }
  // The handshake's answer, or an alert, or what the session has waited to say.
  if (!was_established || tls_->unsent_bytes() > 0) {
    WantWrite();
  }
}

void Connection::OnEndOfInput() {
  input_ended_ = true;
  if (!session_->OnEndOfInput()) {
    state_ = State::kClosing;
  }
}

void Connection::Flush() {
  flush_is_due_ = false;
  if (state_ == State::kClosed || state_ == State::kLingering) {
    return;
  }
  if (!WriteCollected()) {
    Close();
    return;
  }
  const bool is_done = state_ == State::kClosing || session_->finished();
  if (gives_up_ || (unwritten_bytes() == 0 && !has_more_to_write_ && is_done)) {
    Finish();
    return;
  }
  UpdateInterest();
}

// Returns false on a socket error.
bool Connection::WriteCollected() {
  has_more_to_write_ = false;
  for (int i = 0; i < kWritesPerTurn; ++i) {
    if (may_speak()) {
      session_->CollectOutput(out_, kHighWater);
    }
    if (unwritten_bytes() == 0) {
      return true;
    }
    if (!WriteOut()) {
      return false;
    }
    if (unwritten_bytes() > 0) {
      return true;  // the rest when the socket has room
    }
  }
  has_more_to_write_ = true;  // in the next turn, others first
  return true;
}

bool Connection::WriteOut() {
  if (tls_ == nullptr) {
    return out_.WriteTo(fd_);
  }
  if (may_speak()) {
    return tls_->Write(fd_, out_, owner_.handshakes().records());
  }
  out_ = OutputQueue();  // of a stream that broke
  return tls_->WriteUnsent(fd_);
}

void Connection::Finish() {
  if (tls_ != nullptr && may_speak()) {
    tls_->SayGoodbye();
    tls_->WriteUnsent(fd_);
  }
  const bool may_miss_alert = is_tls() && !may_speak();
  if ((session_->leaves_input_unread() || may_miss_alert) && !input_ended_) {
    Linger();
  } else {
    Close();
  }
}

// Closing now, with unread input in the socket, would make the kernel reset the peer before it read
// its answer.
void Connection::Linger() {
  state_ = State::kLingering;
  shutdown(fd_, SHUT_WR);
  session_->OnClosed();
  linger_timer_ = loop().RunAt(loop().now() + kLinger, [this] {
    linger_timer_ = 0;
    Close();
  });
  loop().Modify(fd_, EPOLLIN, this);
}

void Connection::ThrowAwayInput() {
  std::vector<char>& buffer = owner_.read_buffer();
  for (int i = 0; i < kReadsPerTurn; ++i) {
    const ssize_t count = recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count > 0 || (count < 0 && errno == EINTR)) {
      continue;
    }
    if (count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
      Close();
    }
    return;
  }
}

void Connection::UpdateInterest() {
  const bool reads = state_ == State::kOpen && !input_ended_ && session_->wants_input() &&
                     unwritten_bytes() < kHighWater;
  const bool writes = unwritten_bytes() > 0 || has_more_to_write_;
  const uint32_t wanted = (reads ? EPOLLIN : 0u) | (writes ? EPOLLOUT : 0u);
  if (wanted != interest_) {
    interest_ = wanted;
    loop().Modify(fd_, wanted, this);
  }
}

void Connection::Close() {
  if (state_ == State::kClosed) {
    return;
  }
  const bool session_knows = state_ == State::kLingering;
  state_ = State::kClosed;
  if (linger_timer_ != 0) {
    loop().Cancel(linger_timer_);
  }
  if (handshake_ != 0) {
    owner_.handshakes().Leave(std::exchange(handshake_, 0));
  }
  loop().Remove(fd_);
  close(fd_);
  if (!session_knows) {
    session_->OnClosed();
  }
  owner_.OnClosed(this);
}

}  // namespace baton::net
