#include "server/stop_signal.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>

#include "absl/time/clock.h"
#include "base/check.h"
#include "base/strings.h"

namespace baton::server {

StopSignal::StopSignal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  BATON_CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  signal(SIGPIPE, SIG_IGN);
  signal_fd_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  BATON_CHECK(signal_fd_ >= 0 && wake_fd_ >= 0);
}

StopSignal::~StopSignal() {
  close(signal_fd_);
  close(wake_fd_);
}

StopSignal::Event StopSignal::Wait(absl::Duration timeout) {
  const absl::Time until = absl::Now() + timeout;
  while (true) {
    pollfd fds[] = {{signal_fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
    int millis = -1;
    if (timeout != absl::InfiniteDuration()) {
      const int64_t left = absl::ToInt64Milliseconds(until - absl::Now()) + 1;
      if (left <= 0) return Event::kTimeout;
      millis = static_cast<int>(std::min<int64_t>(left, 1000000));
    }
    if (poll(fds, 2, millis) <= 0) continue;
    if (fds[0].revents & POLLIN) {
      signalfd_siginfo info;
      if (read(signal_fd_, &info, sizeof(info)) != sizeof(info)) continue;
      sender_ = base::StrCat(info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM", " from process ",
                             info.ssi_pid);
      return Event::kSignal;
    }
    if (fds[1].revents & POLLIN) {
      uint64_t count;
      [[maybe_unused]] ssize_t got = read(wake_fd_, &count, sizeof(count));
      return Event::kNotified;
    }
  }
}

void StopSignal::Notify() {
  const uint64_t one = 1;
  [[maybe_unused]] ssize_t written = write(wake_fd_, &one, sizeof(one));
}

}  // namespace baton::server
