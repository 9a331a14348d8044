#pragma once

#include <deque>
#include <utility>

#include "base/executor.h"
#include "base/mutex.h"

namespace baton::testing {

// Runs everything at once, in the caller.
//
// Threads: thread-safe. Owner: the test.
class InlineExecutor final : public base::Executor {
 public:
  void Schedule(absl::AnyInvocable<void()> work) override { work(); }
};

// Keeps work until the test runs it.
//
// Threads: thread-safe; work runs in the caller of RunOne or RunAll. Owner: the test. What never
// ran is destroyed.
class ManualExecutor final : public base::Executor {
 public:
  void Schedule(absl::AnyInvocable<void()> work) override {
    base::MutexLock lock(mutex_);
    queue_.push_back(std::move(work));
  }

  // False when there was nothing to run.
  bool RunOne() {
    absl::AnyInvocable<void()> work;
    {
      base::MutexLock lock(mutex_);
      if (queue_.empty()) return false;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
    return true;
  }
  // Also what the work itself schedules. Returns how much ran.
  int RunAll() {
    int count = 0;
    while (RunOne()) ++count;
    return count;
  }
  size_t pending() const {
    base::MutexLock lock(mutex_);
    return queue_.size();
  }

 private:
  mutable base::Mutex mutex_;
  std::deque<absl::AnyInvocable<void()>> queue_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton::testing
