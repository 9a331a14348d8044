#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>

#include "net/connection.h"

namespace baton::net {
namespace {

// Small pieces are gathered into blocks of about this size; larger ones would be copied again and
// again as they grow.
constexpr size_t kBlock = 64 * 1024;
constexpr size_t kIoVectors = 64;

}  // namespace

void OutputQueue::Append(std::string_view bytes) {
  if (bytes.empty()) {
    return;
  }
  bytes_ += bytes.size();
  if (pieces_.size() > front_ && pieces_.back().shared.empty() &&
      pieces_.back().copied.size() + bytes.size() <= kBlock) {
    pieces_.back().copied.append(bytes);
    return;
  }
  Piece& piece = pieces_.emplace_back();
  piece.copied.swap(spare_);
  piece.copied.assign(bytes);
}

void OutputQueue::Append(base::Buffer buffer) {
  if (buffer.size() < kCopyBelow) {
    Append(buffer.view());
    return;
  }
  bytes_ += buffer.size();
  pieces_.emplace_back().shared = std::move(buffer);
}

bool OutputQueue::WriteTo(int fd) {
  while (bytes_ > 0) {
    std::array<iovec, kIoVectors> vectors;
    size_t count = 0;
    size_t offered = 0;
    for (size_t i = front_; i < pieces_.size() && count < vectors.size(); ++i) {
      std::string_view view = pieces_[i].view();
      view.remove_prefix(i == front_ ? front_offset_ : 0);
      vectors[count++] = {const_cast<char*>(view.data()), view.size()};
      offered += view.size();
    }
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    // Not writev: a peer that is gone must be an error here, not a SIGPIPE.
    const ssize_t written = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      return errno == EAGAIN || errno == EWOULDBLOCK;
    }
    Advance(static_cast<size_t>(written));
    if (static_cast<size_t>(written) < offered) {
      return true;  // the socket is full: asking again would only say so
    }
  }
  return true;
}

std::string_view OutputQueue::Front(std::span<char> scratch) const {
  std::string_view first = pieces_[front_].view().substr(front_offset_);
  if (first.size() >= scratch.size() || first.size() == bytes_) {
    return first.substr(0, scratch.size());
  }
  size_t filled = 0;
  for (size_t i = front_; i < pieces_.size() && filled < scratch.size(); ++i) {
    std::string_view view = pieces_[i].view();
    view.remove_prefix(i == front_ ? front_offset_ : 0);
    filled += view.copy(scratch.data() + filled, scratch.size() - filled);
  }
  return {scratch.data(), filled};
}

void OutputQueue::Advance(size_t written) {
  bytes_ -= written;
  while (written > 0) {
    const size_t left = pieces_[front_].view().size() - front_offset_;
    if (written < left) {
      front_offset_ += written;
      return;
    }
    written -= left;
    PopFront();
  }
}

void OutputQueue::PopFront() {
  Piece& piece = pieces_[front_];
  if (piece.copied.capacity() > spare_.capacity() && piece.copied.capacity() <= kBlock) {
    piece.copied.clear();
    spare_.swap(piece.copied);
  }
  piece = Piece();
  ++front_;
  front_offset_ = 0;
  // A queue that never runs empty must not keep the husks of all it ever wrote.
  if (front_ == pieces_.size() || front_ >= 1024) {
    pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<ptrdiff_t>(front_));
    front_ = 0;
  }
}

std::string OutputQueue::TakeAll() {
  std::string all;
  all.reserve(bytes_);
  for (size_t i = front_; i < pieces_.size(); ++i) {
    std::string_view view = pieces_[i].view();
    view.remove_prefix(i == front_ ? front_offset_ : 0);
    all.append(view);
  }
  pieces_.clear();
  front_ = front_offset_ = bytes_ = 0;
  return all;
}

}  // namespace baton::net
