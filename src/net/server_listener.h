#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "net/endpoint.h"
#include "net/event_loop.h"

namespace baton::net {

// A file descriptor that is closed with its owner.
class OwnedFd {
 public:
  explicit OwnedFd(int fd = -1) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(other.Release()) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept;
  ~OwnedFd();

  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// A bound socket file, removed with its owner unless another process has replaced it meanwhile.
class SocketFile {
 public:
  SocketFile() = default;
  // REQUIRES: the file exists.
  explicit SocketFile(std::string path);
  SocketFile(SocketFile&& other) noexcept { *this = std::move(other); }
  SocketFile& operator=(SocketFile&& other) noexcept;
  ~SocketFile();

 private:
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

struct BoundSocket {
  OwnedFd fd;
  uint16_t port = 0;  // 0 for unix
  SocketFile file;
};

// Errors: kInvalidArgument for an address that is none, kUnavailable when it cannot be bound.
absl::StatusOr<BoundSocket> BindSocket(const Endpoint& endpoint);

// How the connections of a listener are served.
struct Terms {
  Protocol protocol = Protocol::kHttp11;
  RequestHandler* handler = nullptr;
  std::shared_ptr<const TlsCredentials> tls = nullptr;  // null: plain text
};

// Accepts what arrives on one bound socket. Pauses when it is told there is no room, or when the
// process has run out of descriptors: the kernel then keeps the connections waiting, and the loop
// does not spin.
//
// Threads: confined to the loop it is started on. Owner: Server.
class Listener final : private FdHandler {
 public:
  // Given every connection. False: no more for now.
  using Accepted = absl::AnyInvocable<bool(OwnedFd)>;

  Listener(BoundSocket socket, Terms terms)
      : socket_(std::move(socket)), terms_(std::move(terms)) {}
  ~Listener() override = default;  // REQUIRES: never started, or closed

  void Start(EventLoop* loop, Accepted accepted);
  void Resume();
  void Close();

  const Terms& terms() const { return terms_; }

 private:
  void OnReady(uint32_t events) override;
  void Pause(absl::Duration time);
  void Warn(std::string_view reason);

  BoundSocket socket_;
  const Terms terms_;
  EventLoop* loop_ = nullptr;
  Accepted accepted_;
  bool is_paused_ = false;
  EventLoop::TimerId resume_timer_ = 0;
  absl::Time next_warning_ = absl::InfinitePast();
};

}  // namespace baton::net
