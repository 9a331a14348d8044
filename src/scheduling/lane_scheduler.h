#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "predict/predictor.h"
#include "scheduling/batch_policy.h"
#include "scheduling/cost_model.h"

namespace baton::scheduling {

class LaneCore;  // what the scheduler, its threads and its lane sets share

// The queues of one servable, a lane for each of its signatures. Destruction answers what is queued
// with kUnavailable and waits for the runs on engine threads; calls hold their servable, so in good
// order nothing is queued then.
//
// Threads: thread-safe. Owner: SchedulingPredictor; may outlive the scheduler, and then refuses
// every call. REQUIRES: not destroyed on an engine thread.
class LaneSet {
 public:
  struct Options {
    std::string name;                     // for messages: model "m" version 3
    std::vector<std::string> signatures;  // one lane each, addressed by index
    // Calls of the servable that may run at once, inline ones included; 0: no limit.
    uint32_t max_concurrent_runs = 0;
    predict::Predictor* next = nullptr;  // runs the calls; borrowed
    CostModel* costs = nullptr;          // told of every run; borrowed
  };

  ~LaneSet();

  // Queues the call; it runs on an engine thread. Errors, through the sink: kDeadlineExceeded,
  // kCancelled, kResourceExhausted when the lane is full, kUnavailable when the scheduler has
  // stopped.
  void Submit(uint32_t lane, uint64_t input_bytes, predict::PredictCall call);

  // Counts a run in the calling thread against the limit: true when there is room and nobody queues
  // for it. Never waits. Each true is followed by one Leave.
  bool TryEnter();
  void Leave();

 private:
  friend class LaneCore;       // one component: its mutex guards everything below
  friend class LaneScheduler;  // the only maker of lane sets
  using Rank = std::pair<absl::Time, uint64_t>;
  struct QueuedCall {
    predict::PredictCall call;
    uint64_t input_bytes = 0;
  };
  using Queue = std::map<Rank, QueuedCall>;
  struct Lane {
    LaneSet* set = nullptr;
    uint32_t index = 0;  // in its set
    Queue queue;
    uint64_t queued_bytes = 0;
    absl::Duration used;         // see LaneSnapshot
    absl::Duration typical_run;  // charged in advance, corrected when the run has ended
    absl::Time last_sweep = absl::InfinitePast();
  };

  LaneSet(Options options, std::shared_ptr<LaneCore> core);

  const Options options_;
  const std::shared_ptr<LaneCore> core_;
  std::vector<Lane> lanes_;
  uint32_t running_ = 0;         // counted against the limit
  uint32_t engine_threads_ = 0;  // that are inside next->Predict
};

// Runs queued calls on a fixed number of engine threads that all models share. What to run next is
// the BatchPolicy's choice; this class only does it. Calls that expired or were cancelled are
// answered without running, when an engine thread comes across them; the client of an expired call
// is answered in time by the front end's timer.
//
// Threads: thread-safe; Stop and destruction by one thread, not one of its own. Owner: server/.
// Destruction stops.
class LaneScheduler {
 public:
  struct Options {
    uint32_t threads = 1;
    // Bounds of each lane. A call that is larger than the bytes allowed still enters an empty lane.
    uint32_t max_queued_calls = 10000;
    uint64_t max_queued_bytes = uint64_t{1} << 30;
    // A call without a deadline is due so long after it came; nobody waits longer than that for
    // more urgent calls.
    absl::Duration patience = absl::Seconds(10);
    BatchPolicy policy = {};
    const base::Clock* clock = &base::Clock::Real();
  };

  explicit LaneScheduler(Options options);
  ~LaneScheduler();

  // Ends the threads after the runs they are in; what is queued, and comes later, is answered with
  // kUnavailable.
  void Stop();

  std::unique_ptr<LaneSet> NewLanes(LaneSet::Options options);

  // Over all lanes, for metrics.
  uint64_t queued_calls() const;
  uint64_t queued_bytes() const;
  uint32_t running_calls() const;

 private:
  const std::shared_ptr<LaneCore> core_;
  std::vector<std::thread> threads_;
};

}  // namespace baton::scheduling
