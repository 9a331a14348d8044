#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "base/mutex.h"

namespace baton::storage {

// Tells when the children of directories change, through one inotify instance and one thread. A
// hint only: events can be lost, network file systems have none, and the kernel's limits may
// refuse; callers poll as well.
//
// Threads: thread-safe; callbacks run on the watcher's thread and must not block. Owner:
// LocalStore. Errors: none; what cannot be watched is not.
class DirWatcher {
 public:
  DirWatcher();
  ~DirWatcher();  // REQUIRES: no subscription is left
  DirWatcher(const DirWatcher&) = delete;
  DirWatcher& operator=(const DirWatcher&) = delete;

  // False: the kernel gave no inotify instance; Subscribe always answers 0.
  bool is_working() const { return inotify_fd_ >= 0; }

  // A subscription's id, or 0 when `path` cannot be watched.
  uint64_t Subscribe(const std::string& path, absl::AnyInvocable<void()> changed);
  // `changed` of this subscription does not run any more when this returns. Not to be called from a
  // callback.
  void Unsubscribe(uint64_t id);

 private:
  struct Subscription {
    int watch = 0;
    std::shared_ptr<absl::AnyInvocable<void()>> changed;
  };

  void Run();
  void Drain();
  void Notify(int watch);

  const int inotify_fd_;
  const int stop_fd_;
  base::Mutex mutex_;
  base::CondVar idle_;
  uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  uint64_t running_ ABSL_GUARDED_BY(mutex_) = 0;  // whose callback runs now
  std::map<uint64_t, Subscription> subscriptions_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace baton::storage
