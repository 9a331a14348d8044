#include "net/event_loop.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/check.h"

namespace baton::net {
namespace {

constexpr uint64_t kWakeKey = ~uint64_t{0};

uint64_t KeyOf(int fd, uint32_t generation) {
  return uint64_t{generation} << 32 | static_cast<uint32_t>(fd);
}

void NameThread(int index) {
  char name[16];
  std::snprintf(name, sizeof(name), "net-%d", index % 1000);
  pthread_setname_np(pthread_self(), name);
}

// Rounded up: a timer must not find itself early, or the loop would spin until its time.
int MillisUntil(absl::Duration left) {
  if (left <= absl::ZeroDuration()) {
    return 0;
  }
  const int64_t millis = absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1)));
  return static_cast<int>(std::min<int64_t>(millis, 3600 * 1000));
}

}  // namespace

EventLoop::EventLoop(int index, const base::Clock& clock)
    : index_(index), clock_(clock), now_(clock.Now()) {
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  BATON_CHECK(epoll_fd_ >= 0 && wake_fd_ >= 0);
  // Edge-triggered: every write is an event of its own, and nobody needs to read the counter back.
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = kWakeKey;
  BATON_CHECK(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event) == 0);
}

EventLoop::~EventLoop() {
  BATON_CHECK(!thread_.joinable());
  DestroyLeftovers();
  close(wake_fd_);
  close(epoll_fd_);
}

void EventLoop::Start() {
  BATON_CHECK(!thread_.joinable());
  thread_ = std::thread([this] { Run(); });
}

void EventLoop::Stop() {
  if (thread_.joinable()) {
    BATON_CHECK(!IsInLoopThread());
    Post([this] { stop_ = true; });
    thread_.join();
  }
  DestroyLeftovers();
}

void EventLoop::Run() {
  thread_id_.store(std::this_thread::get_id());
  NameThread(index_);
  while (!stop_) {
    Turn(-1);
  }
  DestroyLeftovers();
  thread_id_.store(std::thread::id());
}

void EventLoop::RunOnce(absl::Duration max_wait) {
  BATON_CHECK(!thread_.joinable());
  thread_id_.store(std::this_thread::get_id());
  Turn(max_wait == absl::InfiniteDuration() ? -1 : MillisUntil(max_wait));
}

void EventLoop::Turn(int max_wait_millis) {
  const int count = WaitForEvents(max_wait_millis);
  now_ = clock_.Now();
  DispatchEvents(count);
  RunPosted();
  RunTimers();
  RunTurnEnd();
}

int EventLoop::WaitForEvents(int max_wait_millis) {
  int wait = MillisToNextTimer();
  if (wait < 0 || (max_wait_millis >= 0 && max_wait_millis < wait)) {
    wait = max_wait_millis;
  }
  {
    base::MutexLock lock(mutex_);
    if (!posted_.empty()) {
      wait = 0;
    }
    may_sleep_ = wait != 0;
  }
  const int count = epoll_wait(epoll_fd_, events_.data(), static_cast<int>(events_.size()), wait);
  BATON_CHECK(count >= 0 || errno == EINTR);
  return std::max(count, 0);
}

void EventLoop::DispatchEvents(int count) {
  for (int i = 0; i < count; ++i) {
    const uint64_t key = events_[i].data.u64;
    if (key == kWakeKey) {
      continue;
    }
    const Watch watch = watches_[static_cast<uint32_t>(key)];
    if (watch.handler != nullptr && watch.generation == key >> 32) {
      watch.handler->OnReady(events_[i].events);
    }
  }
}

void EventLoop::Post(absl::AnyInvocable<void()> work) {
  bool wake = false;
  {
    base::MutexLock lock(mutex_);
    if (closed_) {
      return;
    }
    posted_.push_back(std::move(work));
    wake = may_sleep_;
    may_sleep_ = false;
  }
  if (wake) {
    const uint64_t one = 1;
    // Cannot fail: the counter would need 2^64 wake-ups to be full.
    [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof(one));
  }
}

void EventLoop::RunPosted() {
  {
    base::MutexLock lock(mutex_);
    may_sleep_ = false;
    running_.swap(posted_);
  }
  for (auto& work : running_) {
    work();
    work = nullptr;  // what it holds dies in order, not at the end of the batch
  }
  running_.clear();
}

int EventLoop::MillisToNextTimer() const {
  return timers_.empty() ? -1 : MillisUntil(timers_.begin()->first.first - clock_.Now());
}

void EventLoop::RunTimers() {
  // Timers set by timers wait for the next turn, so that a chain of them cannot starve the sockets.
  const TimerId end = next_timer_;
  while (!timers_.empty()) {
    auto first = timers_.begin();
    if (first->first.first > now_ || first->first.second >= end) {
      return;
    }
    auto work = std::move(first->second);
    timer_times_.erase(first->first.second);
    timers_.erase(first);
    work();
  }
}

EventLoop::TimerId EventLoop::RunAt(absl::Time when, absl::AnyInvocable<void()> work) {
  const TimerId id = next_timer_++;
  timers_.emplace(std::make_pair(when, id), std::move(work));
  timer_times_.emplace(id, when);
  return id;
}

void EventLoop::Cancel(TimerId id) {
  auto found = timer_times_.find(id);
  if (found == timer_times_.end()) {
    return;
  }
  auto timer = timers_.extract({found->second, id});  // its work dies after the maps are in order
  timer_times_.erase(found);
}

void EventLoop::AtTurnEnd(absl::AnyInvocable<void()> work) { turn_end_.push_back(std::move(work)); }

void EventLoop::RunTurnEnd() {
  for (size_t i = 0; i < turn_end_.size(); ++i) {
    auto work = std::move(turn_end_[i]);  // a hook may add hooks and move the vector
    work();
  }
  turn_end_.clear();
}

bool EventLoop::Add(int fd, uint32_t events, FdHandler* handler) {
  if (static_cast<size_t>(fd) >= watches_.size()) {
    watches_.resize(static_cast<size_t>(fd) + 1);
  }
  Watch& watch = watches_[fd];
  ++watch.generation;
  epoll_event event{};
  event.events = events;
  event.data.u64 = KeyOf(fd, watch.generation);
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) != 0) {
    return false;
  }
  watch.handler = handler;
  return true;
}

void EventLoop::Modify(int fd, uint32_t events, FdHandler* handler) {
  Watch& watch = watches_[fd];
  watch.handler = handler;
  epoll_event event{};
  event.events = events;
  event.data.u64 = KeyOf(fd, watch.generation);
  BATON_CHECK(epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event) == 0);
}

void EventLoop::Remove(int fd) {
  watches_[fd].handler = nullptr;
  epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
}

// Destructors of closures may post, set timers or hook again: repeat until nothing is left.
void EventLoop::DestroyLeftovers() {
  std::vector<absl::AnyInvocable<void()>> posted;
  {
    base::MutexLock lock(mutex_);
    closed_ = true;
    posted.swap(posted_);
  }
  posted.clear();
  while (!timers_.empty() || !turn_end_.empty()) {
    auto timers = std::move(timers_);
    auto hooks = std::move(turn_end_);
    timers_.clear();
    turn_end_.clear();
    timer_times_.clear();
  }
}

}  // namespace baton::net
