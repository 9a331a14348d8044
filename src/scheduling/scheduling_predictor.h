#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "base/clock.h"
#include "engine/signature.h"
#include "predict/predictor.h"
#include "scheduling/cost_model.h"
#include "scheduling/lane_scheduler.h"

namespace baton::scheduling {

// Decides where a call runs: right here when the caller allows it and runs like it are known to be
// short, because a change of threads costs more than a tiny model; otherwise in the lane of its
// signature. What is not known yet queues, so the first runs of a model never block a loop.
//
// Threads: thread-safe. Owner: the servable; owns the predictor it wraps, borrows the scheduler,
// which outlives it. REQUIRES: not destroyed on an engine thread. Errors: those of LaneSet::Submit
// and of the wrapped predictor.
class SchedulingPredictor final : public predict::Predictor {
 public:
  struct Options {
    std::string model = {};
    int64_t version = 0;
    // Of the wrapped predictor; 0: no limit.
    uint32_t max_concurrent_runs = 0;
    // Only what nearly always takes less runs inline; zero: nothing does.
    absl::Duration inline_below = absl::Microseconds(200);
    uint32_t min_samples = 3;
    const base::Clock* clock = &base::Clock::Real();
  };

  SchedulingPredictor(Options options, const engine::SignatureTable& signatures,
                      LaneScheduler* scheduler, std::unique_ptr<predict::Predictor> next);

  void Predict(predict::PredictCall call) override;

  const CostModel& costs() const { return costs_; }

 private:
  bool IsShort(uint32_t signature, uint64_t input_bytes) const;
  void RunHere(uint64_t input_bytes, predict::PredictCall call);

  const Options options_;
  const std::unique_ptr<predict::Predictor> next_;
  CostModel costs_;
  const std::unique_ptr<LaneSet> lanes_;  // dies first: no run is going on after that
};

}  // namespace baton::scheduling
