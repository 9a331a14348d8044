#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "engine/engine.h"
#include "lifecycle/servable_id.h"
#include "predict/predictor.h"
#include "scheduling/batching_predictor.h"
#include "scheduling/batching_scheduler.h"

namespace baton::server {

// The batcher that TensorFlow Serving puts inside a TFLite model with several interpreters per pool
// (--num_tflite_interpreters_per_pool, contract §11): a thread for each, requests of up to 500 rows
// cut into runs of the model's fixed batch size, or of an even share.
//
// Threads: thread-safe. Owner: the servable; owns its threads and the predictor it wraps. Errors:
// those of BatchingPredictor.
class TfliteBatching final : public predict::Predictor {
 public:
  // REQUIRES: interpreters > 1. `max_runs`: of `next`; 0: no limit.
  TfliteBatching(const lifecycle::ServableId& id, int64_t interpreters, const engine::Model& model,
                 uint32_t max_runs, std::unique_ptr<predict::Predictor> next);

  void Predict(predict::PredictCall call) override { batches_.Predict(std::move(call)); }

 private:
  scheduling::BatchingScheduler scheduler_;
  scheduling::BatchingPredictor batches_;  // dies first: what it queued is answered
};

}  // namespace baton::server
