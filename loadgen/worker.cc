#include "loadgen/worker.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace baton::loadgen {
namespace {

constexpr size_t kBufferBytes = 256 * 1024;
constexpr int kWaitMillis = 10;  // how late the end may be noticed by an idle worker
constexpr size_t kMostErrors = 20;

uint64_t Nanos(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace

void Tally::Restart() { *this = Tally(); }

void Tally::Good(uint64_t nanos) { latency_.Record(nanos); }

void Tally::Bad(std::string_view what) {
  ++bad_;
  std::string name(what.substr(0, 300));
  // A server that says something new each time must not fill our memory.
  const bool is_new = errors_.size() >= kMostErrors && errors_.find(name) == errors_.end();
  ++errors_[is_new ? std::string("others") : std::move(name)];
}

Worker::Worker(const LoadOptions& options, const ServerAddress& address, int connections)
    : options_(options),
      address_(address),
      epoll_fd_(epoll_create1(EPOLL_CLOEXEC)),
      lines_(static_cast<size_t>(connections)),
      buffer_(kBufferBytes) {
  BATON_CHECK(epoll_fd_ >= 0);
}

Worker::~Worker() {
  for (Line& line : lines_) {
    Close(line);
  }
  close(epoll_fd_);
}

absl::Status Worker::Connect() {
  for (Line& line : lines_) {
    BATON_RETURN_IF_ERROR(Open(line));
  }
  return absl::OkStatus();
}

absl::Status Worker::Open(Line& line) {
  line.fd = socket(address_.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (line.fd < 0 ||
      connect(line.fd, reinterpret_cast<const sockaddr*>(&address_.storage), address_.size) != 0) {
    const std::string why = std::strerror(errno);
    Close(line);
    return absl::UnavailableError(
        base::StrCat("cannot connect to ", options_.host, ":", options_.port, ": ", why));
  }
  const int on = 1;
  setsockopt(line.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  fcntl(line.fd, F_SETFL, fcntl(line.fd, F_GETFL) | O_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = &line;
  BATON_CHECK(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, line.fd, &event) == 0);
  line.waits_for_room = false;
  line.out = net::OutputQueue();
  line.connection = options_.protocol == Protocol::kGrpc ? MakeGrpcConnection(options_, &tally_)
                                                         : MakeRestConnection(options_, &tally_);
  return absl::OkStatus();
}

void Worker::Close(Line& line) {
  if (line.fd >= 0) {
    close(line.fd);  // leaves the epoll set with it
  }
  line.fd = -1;
}

void Worker::Reopen(Line& line, const char* why) {
  for (int i = line.connection->requests_under_way(); i > 0; --i) {
    tally_.Bad(why);
  }
  Close(line);
  if (absl::Status opened = Open(line); !opened.ok()) {
    tally_.Bad(base::Message(opened));
    return;  // this line stays silent; the others go on
  }
  line.connection->Start(Nanos(CLOCK_MONOTONIC));
  if (!Write(line)) {
    Close(line);
  }
}

void Worker::Run(const std::atomic<LoadPhase>& phase) {
  for (Line& line : lines_) {
    line.connection->Start(Nanos(CLOCK_MONOTONIC));
    OnReady(line, EPOLLOUT);
  }
  bool measuring = false;
  std::array<epoll_event, 256> events;
  for (;;) {
    const int count =
        epoll_wait(epoll_fd_, events.data(), static_cast<int>(events.size()), kWaitMillis);
    const LoadPhase now = phase.load(std::memory_order_relaxed);
    if (now == LoadPhase::kOver) {
      break;
    }
    if (now == LoadPhase::kMeasured && !measuring) {
      measuring = true;
      tally_.Restart();
      cpu_nanos_ = Nanos(CLOCK_THREAD_CPUTIME_ID);
    }
    for (int i = 0; i < count; ++i) {
      OnReady(*static_cast<Line*>(events[static_cast<size_t>(i)].data.ptr),
              events[static_cast<size_t>(i)].events);
    }
  }
  cpu_nanos_ = Nanos(CLOCK_THREAD_CPUTIME_ID) - cpu_nanos_;
}

void Worker::OnReady(Line& line, uint32_t events) {
  if (line.fd < 0) {
    return;
  }
  if ((events & ~static_cast<uint32_t>(EPOLLOUT)) != 0 && !Read(line)) {
    Reopen(line, "the server closed the connection");
    return;
  }
  if (!Write(line)) {
    Reopen(line, "the connection broke");
  }
}

bool Worker::Read(Line& line) {
  for (;;) {
    const ssize_t count = recv(line.fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (count < 0) {
      return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    }
    if (count == 0 || !line.connection->OnBytes({buffer_.data(), static_cast<size_t>(count)},
                                                Nanos(CLOCK_MONOTONIC))) {
      return false;
    }
    if (static_cast<size_t>(count) < buffer_.size()) {
      return true;
    }
  }
}

bool Worker::Write(Line& line) {
  line.connection->CollectOutput(line.out);
  if (!line.out.WriteTo(line.fd)) {
    return false;
  }
  if (line.out.empty() == line.waits_for_room) {
    line.waits_for_room = !line.out.empty();
    epoll_event event{};
    event.events = line.waits_for_room ? EPOLLIN | EPOLLOUT : EPOLLIN;
    event.data.ptr = &line;
    epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, line.fd, &event);
  }
  return true;
}

}  // namespace baton::loadgen
