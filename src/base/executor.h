#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "base/mutex.h"

namespace baton::base {

// Runs closures somewhere else.
//
// Threads: thread-safe. Owner: server/; everyone else borrows. Errors: none; a closure scheduled
// after Stop is destroyed without running.
class Executor {
 public:
  virtual ~Executor() = default;
  virtual void Schedule(absl::AnyInvocable<void()> work) = 0;
};

// A fixed number of threads over one FIFO queue, for background work (loading, unloading, file
// systems). Not for requests: those belong to scheduling/.
//
// Threads: thread-safe. Owner: whoever made it; destruction runs what is queued, then joins.
class ThreadPool final : public Executor {
 public:
  struct Options {
    std::string name = "pool";  // thread name, at most 15 bytes are shown
    size_t threads = 1;
    int nice = 0;  // > 0: gives way to requests
  };

  explicit ThreadPool(Options options);
  ~ThreadPool() override;

  void Schedule(absl::AnyInvocable<void()> work) override;

 private:
  void Run();

  const Options options_;
  Mutex mutex_;
  CondVar wake_;
  std::deque<absl::AnyInvocable<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace baton::base
