#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace baton::net {

// Told when its file descriptor is ready. Runs on the loop's thread.
class FdHandler {
 public:
  virtual ~FdHandler() = default;
  virtual void OnReady(uint32_t epoll_events) = 0;
};

// One thread, one epoll: reads what is there, runs what was posted, fires timers, and at the end of
// each turn calls the turn-end hooks (where connections write everything they gathered, once).
//
// Threads: Post and IsInLoopThread are thread-safe; everything else on the loop's own thread only
// (or before Start). Owner: net::Server. Errors: none after construction, but for Add; running out
// of descriptors is a broken invariant at start only.
class EventLoop {
 public:
  using TimerId = uint64_t;

  explicit EventLoop(int index, const base::Clock& clock = base::Clock::Real());
  ~EventLoop();  // REQUIRES: stopped, or never started
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void Start();
  // Runs what was posted before, then ends the thread and joins it. Not from the loop's thread.
  void Stop();

  // One turn on the calling thread, which counts as the loop's thread from then on; waits at most
  // `max_wait` for something to do. REQUIRES: Start is never called. For tests and programs with a
  // single thread.
  void RunOnce(absl::Duration max_wait);

  int index() const { return index_; }
  bool IsInLoopThread() const {
    return std::this_thread::get_id() == thread_id_.load(std::memory_order_relaxed);
  }

  // Runs `work` on the loop's thread, in order. Work posted after Stop is destroyed without
  // running.
  void Post(absl::AnyInvocable<void()> work);

  // Wall-clock time read once per turn.
  absl::Time now() const { return now_; }

  // Level-triggered. `handler` must outlive its registration; Remove forgets events already fetched
  // in this turn. Add returns false when the kernel has no room for another watch.
  bool Add(int fd, uint32_t events, FdHandler* handler);
  void Modify(int fd, uint32_t events, FdHandler* handler);
  void Remove(int fd);

  TimerId RunAt(absl::Time when, absl::AnyInvocable<void()> work);
  void Cancel(TimerId id);  // nothing happens when it has run or is unknown

  // Called once at the end of this turn, in order. Hooks added by hooks run in the same turn. Used
  // by connections to flush.
  void AtTurnEnd(absl::AnyInvocable<void()> work);

 private:
  // What an fd is watched by. The generation tells an event of a former owner of the number from
  // the present one's.
  struct Watch {
    FdHandler* handler = nullptr;
    uint32_t generation = 0;
  };

  void Run();
  void Turn(int max_wait_millis);
  int WaitForEvents(int max_wait_millis);
  void DispatchEvents(int count);
  void RunPosted();
  void RunTimers();
  void RunTurnEnd();
  void DestroyLeftovers();
  int MillisToNextTimer() const;  // -1: no timer

  const int index_;
  const base::Clock& clock_;
  int epoll_fd_ = -1;
  int wake_fd_ = -1;
  std::atomic<std::thread::id> thread_id_{};
  std::thread thread_;
  absl::Time now_;
  bool stop_ = false;

  base::Mutex mutex_;
  std::vector<absl::AnyInvocable<void()>> posted_ ABSL_GUARDED_BY(mutex_);
  // Set before the loop may sleep in epoll_wait. Only then does a Post write the eventfd, and only
  // the first one.
  bool may_sleep_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<absl::AnyInvocable<void()>> running_;  // reused, so that a turn does not allocate

  std::map<std::pair<absl::Time, TimerId>, absl::AnyInvocable<void()>> timers_;
  std::unordered_map<TimerId, absl::Time> timer_times_;
  TimerId next_timer_ = 1;
  std::vector<absl::AnyInvocable<void()>> turn_end_;
  std::vector<Watch> watches_;  // by fd
  std::array<epoll_event, 256> events_;
};

}  // namespace baton::net
