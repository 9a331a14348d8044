#pragma once

#include <cstdint>

#include "base/clock.h"
#include "engine/engine.h"
#include "predict/instance_pool.h"
#include "predict/predictor.h"

namespace baton::predict {

// The leaf of every predictor stack: leases an instance, runs the engine in the calling thread,
// finishes the sink. Nothing of this object is touched after the sink was finished, because that
// may end the servable.
//
// Threads: thread-safe. Owner: the predictor above it, or the servable; borrows the model. Blocks
// for the run, and on engine threads also for a free instance; a caller with context.may_run_inline
// never waits for one. Errors: the engine's, unchanged; kDeadlineExceeded and kCancelled when
// nobody waits any more; kUnavailable when all instances are busy and waiting is not allowed;
// kUnknown when the engine returned the wrong number of outputs.
class EnginePredictor final : public Predictor {
 public:
  struct Options {
    uint32_t max_instances = 0;  // 0: as many as the model allows
    uint32_t threads_per_run = 1;
    const base::Clock* clock = &base::Clock::Real();
  };

  EnginePredictor(Options options, engine::Model* model);

  void Predict(PredictCall call) override;

  // Makes instances now, on a load thread, so that no request has to: as many as may be in use at
  // once (limit and all).
  absl::Status Prepare(uint32_t instances);

  // At most so many calls run at once; 0: no limit.
  uint32_t max_concurrent_runs() const { return pool_.limit(); }
  const InstancePool& pool() const { return pool_; }

 private:
  absl::StatusOr<PredictResponse> Run(const PredictCall& call);

  const Options options_;
  InstancePool pool_;
};

}  // namespace baton::predict
