#include "net/server_listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/log.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace baton::net {
namespace {

constexpr int kBacklog = 4096;
constexpr int kAcceptsPerTurn = 64;
constexpr absl::Duration kPauseWithoutDescriptors = absl::Milliseconds(100);
constexpr absl::Duration kWarnEvery = absl::Seconds(10);
constexpr std::string_view kUnixPrefix = "unix:";

absl::Status BindError(const Endpoint& endpoint, std::string_view what) {
  const std::string where = endpoint.address.starts_with(kUnixPrefix)
                                ? endpoint.address
                                : base::StrCat(endpoint.address, ":", endpoint.port);
  return absl::UnavailableError(
      base::StrCat("cannot listen on ", where, ": ", what, ": ", std::strerror(errno)));
}

absl::StatusOr<BoundSocket> BindUnix(const Endpoint& endpoint) {
  const std::string path = endpoint.address.substr(kUnixPrefix.size());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(base::StrCat("socket path \"", path, "\" must have 1 to ",
                                                   sizeof(address.sun_path) - 1, " bytes"));
  }
  path.copy(address.sun_path, path.size());
  BoundSocket bound;
  bound.fd = OwnedFd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (bound.fd.get() < 0) {
    return BindError(endpoint, "socket");
  }
  // A socket file, live or left behind, is replaced; anything else with that name is not ours to
  // remove.
  struct stat existing {};
  if (lstat(path.c_str(), &existing) == 0 && S_ISSOCK(existing.st_mode)) {
    unlink(path.c_str());
  }
  if (bind(bound.fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    return BindError(endpoint, "bind");
  }
  bound.file = SocketFile(path);
  if (listen(bound.fd.get(), kBacklog) != 0) {
    return BindError(endpoint, "listen");
  }
  return bound;
}

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

absl::StatusOr<AddressList> Resolve(const Endpoint& endpoint) {
  std::string host = endpoint.address;
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  }
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string port = base::StrCat(endpoint.port);
  const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (error != 0 || host.empty()) {
    return absl::InvalidArgumentError(base::StrCat(
        "\"", endpoint.address,
        "\" is no address to listen on: ", error != 0 ? gai_strerror(error) : "empty"));
  }
  return AddressList(found, &freeaddrinfo);
}

absl::StatusOr<uint16_t> PortOf(const Endpoint& endpoint, int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return BindError(endpoint, "getsockname");
  }
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                                             : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
}

absl::StatusOr<BoundSocket> BindTcp(const Endpoint& endpoint) {
  BATON_ASSIGN_OR_RETURN(const AddressList addresses, Resolve(endpoint));
  const addrinfo& address = *addresses;
  BoundSocket bound;
  bound.fd = OwnedFd(socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int fd = bound.fd.get();
  if (fd < 0) {
    return BindError(endpoint, "socket");
  }
  const int on = 1;
  const int off = 0;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  // Handed down to accepted sockets: peers that vanished without a word are found out.
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  if (endpoint.shares_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0) {
    return BindError(endpoint, "SO_REUSEPORT");
  }
  if (address.ai_family == AF_INET6) {
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));  // "[::]" takes IPv4 too
  }
  if (bind(fd, address.ai_addr, address.ai_addrlen) != 0) {
    return BindError(endpoint, "bind");
  }
  if (listen(fd, kBacklog) != 0) {
    return BindError(endpoint, "listen");
  }
  BATON_ASSIGN_OR_RETURN(bound.port, PortOf(endpoint, fd));
  return bound;
}

}  // namespace

OwnedFd& OwnedFd::operator=(OwnedFd&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

OwnedFd::~OwnedFd() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

SocketFile::SocketFile(std::string path) : path_(std::move(path)) {
  struct stat file {};
  if (lstat(path_.c_str(), &file) == 0) {
    device_ = file.st_dev;
    inode_ = file.st_ino;
  }
}

SocketFile& SocketFile::operator=(SocketFile&& other) noexcept {
  path_.swap(other.path_);
  std::swap(device_, other.device_);
  std::swap(inode_, other.inode_);
  return *this;
}

SocketFile::~SocketFile() {
  struct stat file {};
  if (!path_.empty() && lstat(path_.c_str(), &file) == 0 && file.st_dev == device_ &&
      file.st_ino == inode_) {
    unlink(path_.c_str());
  }
}

absl::StatusOr<BoundSocket> BindSocket(const Endpoint& endpoint) {
  return endpoint.address.starts_with(kUnixPrefix) ? BindUnix(endpoint) : BindTcp(endpoint);
}

void Listener::Start(EventLoop* loop, Accepted accepted) {
  loop_ = loop;
  accepted_ = std::move(accepted);
  if (!loop_->Add(socket_.fd.get(), EPOLLIN, this)) {
    base::LogError("a listening socket cannot be watched: the kernel is out of epoll watches");
  }
}

void Listener::OnReady(uint32_t events) {
  for (int i = 0; i < kAcceptsPerTurn && !is_paused_; ++i) {
    OwnedFd fd(accept4(socket_.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.get() < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        // The waiting connection would be reported again at once, and forever.
        Warn(std::strerror(errno));
        Pause(kPauseWithoutDescriptors);
        return;
      }
      if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return;
      }
      continue;  // EINTR, or a peer that gave up while it waited
    }
    const int on = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // no effect on unix sockets
    if (!accepted_(std::move(fd))) {
      Pause(absl::InfiniteDuration());
    }
  }
}

void Listener::Warn(std::string_view reason) {
  if (loop_->now() >= next_warning_) {
    next_warning_ = loop_->now() + kWarnEvery;
    base::LogWarning(base::StrCat("no new connections for now: ", reason));
  }
}

void Listener::Pause(absl::Duration time) {
  is_paused_ = true;
  loop_->Modify(socket_.fd.get(), 0, this);
  if (time != absl::InfiniteDuration()) {
    resume_timer_ = loop_->RunAt(loop_->now() + time, [this] {
      resume_timer_ = 0;
      Resume();
    });
  }
}

void Listener::Resume() {
  if (!is_paused_ || loop_ == nullptr) {
    return;
  }
  is_paused_ = false;
  if (resume_timer_ != 0) {
    loop_->Cancel(std::exchange(resume_timer_, 0));
  }
  loop_->Modify(socket_.fd.get(), EPOLLIN, this);
}

void Listener::Close() {
  if (loop_ == nullptr) {
    return;
  }
  if (resume_timer_ != 0) {
    loop_->Cancel(std::exchange(resume_timer_, 0));
  }
  loop_->Remove(socket_.fd.get());
  loop_ = nullptr;
  socket_.fd = OwnedFd();
}

}  // namespace baton::net
