#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "scheduling/batching_task.h"

namespace baton::scheduling {

// The tasks of one model that may share a run, in batches, by TensorFlow Serving's rules: only the
// last batch is open; it closes when the next task does not fit into it, or when it is taken. How
// many batches may wait is limited, the open one included.
//
// Threads: thread-compatible; the scheduler's mutex guards it. Owner: BatchQueueSet. Errors: Add
// gives TensorFlow Serving's codes and texts.
class BatchingQueue {
 public:
  struct Limits {
    int64_t max_task_rows = 1000;
    int64_t max_batch_size = 1000;
    int64_t max_enqueued_batches = 10;
    // A task that is larger still enters an empty queue.
    uint64_t max_queued_bytes = uint64_t{1} << 30;
    absl::Duration timeout = absl::ZeroDuration();
    // A task that is larger than what is left of the open batch is split at its end.
    bool may_split = false;
  };

  explicit BatchingQueue(const Limits& limits) : limits_(limits) {}

  // Takes `task` unless it returns an error.
  absl::Status Add(BatchTask& task, absl::Time now);

  // From when on the first batch may run: the past when it is full or another one follows it, the
  // future when there is none.
  absl::Time ReadyAt() const;
  // The first batch, ready or not. REQUIRES: !empty().
  Batch Take();

  // The tasks that nobody waits for any more.
  std::vector<BatchTask> TakeCancelled();
  std::vector<BatchTask> TakeAll();

  bool empty() const { return batches_.empty(); }
  size_t batches() const { return batches_.size(); }
  size_t tasks() const { return tasks_; }
  uint64_t bytes() const { return bytes_; }

 private:
  absl::Status CheckCapacity(const BatchTask& task) const;
  int64_t Capacity() const;
  int64_t LeftInOpenBatch() const;
  int64_t enqueued_batches() const;
  void Append(BatchTask task, absl::Time now);
  void Forget(const BatchTask& task);

  const Limits limits_;
  std::deque<Batch> batches_;  // none of them empty
  size_t tasks_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace baton::scheduling
