#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "metrics/serving_metrics.h"
#include "predict/predictor.h"
#include "scheduling/batching_options.h"
#include "scheduling/batching_scheduler.h"

namespace baton::scheduling {

// Batches as TensorFlow Serving's --enable_batching does (contract §6): requests for the same
// inputs and outputs of a model are put together along dimension 0, run as one, and the outputs are
// given back as views of the common ones. A request that runs alone keeps its tensors as they are.
//
// A request without rows runs like any other, but is never padded: there is no row to copy. What
// nobody waits for any more when its batch runs is left out; what only has expired stays in, unless
// all have.
//
// Threads: thread-safe; Predict only queues. Owner: the servable; owns the predictor it wraps,
// borrows the scheduler, which may die first and then every call is refused. REQUIRES: not
// destroyed on a batch thread. Errors: TensorFlow Serving's for requests and outputs that cannot be
// batched, those of BatchQueueSet::Submit, and the wrapped predictor's, given to the whole batch.
class BatchingPredictor final : public predict::Predictor, private BatchRunner {
 public:
  struct Options {
    std::string model = {};
    int64_t version = 0;
    BatchingOptions batching = {};
    // Of the wrapped predictor; 0: no limit.
    uint32_t max_concurrent_runs = 0;
    // Of the inputs in one queue.
    uint64_t max_queued_bytes = uint64_t{1} << 30;
    // Of one input of a batch, if anything of it is padding.
    uint64_t max_padded_bytes = uint64_t{2} << 30;
    size_t max_queues = 256;
    metrics::ServingMetrics* metrics = nullptr;  // may be null
    const base::Clock* clock = &base::Clock::Real();
  };

  // REQUIRES: options.batching.Validate() is OK.
  BatchingPredictor(Options options, BatchingScheduler* scheduler,
                    std::unique_ptr<predict::Predictor> next);

  void Predict(predict::PredictCall call) override;

 private:
  void RunBatch(Batch batch) override;

  absl::StatusOr<int64_t> CountRows(const predict::PredictRequest& request) const;
  absl::Status CheckInQueue(Batch& batch) const;
  absl::StatusOr<predict::PredictCall> Assemble(Batch& batch, int64_t rows) const;

  const Options options_;
  const std::unique_ptr<predict::Predictor> next_;
  const std::unique_ptr<BatchQueueSet> queues_;  // dies first: no run is going on after that
};

}  // namespace baton::scheduling
