#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace baton::net {

// Told when its file descriptor is ready. Runs on the loop's thread.
class FdHandler {
 public:
  virtual ~FdHandler() = default;
  virtual void OnReady(uint32_t epoll_events) = 0;
};

// One thread, one epoll: reads what is there, runs what was posted, fires timers, and at the end of each turn calls the
// turn-end hooks (where connections write everything they gathered, once).
//
// Threads: Post and IsInLoopThread are thread-safe; everything else on the loop's own thread only (or before Start).
// Owner: net::Server. Errors: none after construction; running out of descriptors is a broken invariant at start only.
class EventLoop {
 public:
  using TimerId = uint64_t;

  explicit EventLoop(int index);
  ~EventLoop();  // REQUIRES: stopped

  void Start();
  // Runs what was posted before, then ends the thread and joins it. Not from the loop's thread.
  void Stop();

  int index() const { return index_; }
  bool IsInLoopThread() const { return std::this_thread::get_id() == thread_id_.load(); }

  // Runs `work` on the loop's thread, in order. Work posted after Stop is destroyed without running.
  void Post(absl::AnyInvocable<void()> work);

  // Wall-clock time read once per turn.
  absl::Time now() const { return now_; }

  // Level-triggered. `handler` must outlive its registration; Remove forgets events already fetched in this turn.
  void Add(int fd, uint32_t events, FdHandler* handler);
  void Modify(int fd, uint32_t events, FdHandler* handler);
  void Remove(int fd);

  TimerId RunAt(absl::Time when, absl::AnyInvocable<void()> work);
  void Cancel(TimerId id);

  // Called once at the end of this turn. Used by connections to flush.
  void AtTurnEnd(absl::AnyInvocable<void()> work);

 private:
  void Run();
  void RunPosted();
  void RunTimers();
  void RunTurnEnd();
  int WaitMillis() const;

  const int index_;
  int epoll_fd_ = -1;
  int wake_fd_ = -1;
  std::atomic<std::thread::id> thread_id_{};
  std::thread thread_;
  absl::Time now_;
  bool stop_ = false;

  base::Mutex mutex_;
  std::vector<absl::AnyInvocable<void()>> posted_ ABSL_GUARDED_BY(mutex_);
  bool wake_pending_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;

  std::map<std::pair<absl::Time, TimerId>, absl::AnyInvocable<void()>> timers_;
  std::unordered_map<TimerId, absl::Time> timer_times_;
  TimerId next_timer_ = 1;
  std::vector<absl::AnyInvocable<void()>> turn_end_;
  std::unordered_map<int, FdHandler*> handlers_;
};

}  // namespace baton::net
