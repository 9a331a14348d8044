#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "scheduling/batch_key.h"
#include "scheduling/batching_queue.h"
#include "scheduling/batching_task.h"

namespace baton::scheduling {

class BatchingCore;  // what the scheduler, its threads and its queue sets share

// Runs what has been collected.
//
// Threads: thread-safe. Owner: the servable; outlives its queue set. Errors: through the sinks of
// the tasks; each is finished exactly once.
class BatchRunner {
 public:
  virtual ~BatchRunner() = default;
  // May block for as long as the run takes.
  virtual void RunBatch(Batch batch) = 0;
};

// The queues of one servable, made when a request needs one. Destruction answers what is queued
// with kUnavailable and waits for the runs; calls hold their servable, so in good order nothing is
// queued then.
//
// Threads: thread-safe. Owner: BatchingPredictor; may outlive the scheduler, and then refuses every
// task. REQUIRES: not destroyed on a batch thread.
class BatchQueueSet {
 public:
  struct Options {
    std::string name = {};  // for messages: model "m" version 3
    BatchingQueue::Limits limits = {};
    // Batches of the servable that may run at once; 0: no limit. More than its engine can take
    // would keep threads from other models.
    uint32_t max_concurrent_runs = 0;
    // Beyond it the queue that was idle longest makes room.
    size_t max_queues = 256;
    BatchRunner* runner = nullptr;  // borrowed
  };

  ~BatchQueueSet();

  // Queues the task; it runs on a batch thread. Errors, through its sink: BatchingQueue's, and
  // kUnavailable when the scheduler has stopped or all queues are in use.
  void Submit(const BatchKey& key, BatchTask task);

 private:
  friend class BatchingCore;       // one component: its mutex guards everything below
  friend class BatchingScheduler;  // the only maker of queue sets
  struct Lane {
    BatchQueueSet* set = nullptr;
    BatchingQueue queue;
    uint64_t last_used = 0;
    absl::Time last_sweep = absl::InfinitePast();
  };

  BatchQueueSet(Options options, std::shared_ptr<BatchingCore> core);

  const Options options_;
  const std::shared_ptr<BatchingCore> core_;
  std::unordered_map<BatchKey, Lane, BatchKey::Hash> lanes_;
  uint32_t running_ = 0;
};

// The pool of batch threads that the queues of all models share. Queues with a batch that is ready
// take turns. A batch that is not full waits for company until its time is over; the threads sleep
// exactly until then.
//
// Threads: thread-safe; Stop and destruction by one thread, not one of its own. Owner: server/.
// Destruction stops.
class BatchingScheduler {
 public:
  struct Options {
    uint32_t threads = 1;
    std::string thread_name = "batch";  // at most 15 bytes are shown, with a number
    const base::Clock* clock = &base::Clock::Real();
  };

  explicit BatchingScheduler(Options options);
  ~BatchingScheduler();

  // Ends the threads after the runs they are in; what is queued, and comes later, is answered with
  // kUnavailable.
  void Stop();

  std::unique_ptr<BatchQueueSet> NewQueues(BatchQueueSet::Options options);

  // Runs the next batch that is ready in the calling thread; false when there is none.
  bool RunReadyBatch();

  // Over all queues, for metrics.
  uint64_t queued_calls() const;  // pieces of split calls count
  uint64_t queued_bytes() const;
  uint32_t running_batches() const;

 private:
  const std::shared_ptr<BatchingCore> core_;
  std::vector<std::thread> threads_;
};

}  // namespace baton::scheduling
