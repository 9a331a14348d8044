#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "lifecycle/servable_id.h"
#include "metrics/serving_metrics.h"
#include "predict/predictor.h"
#include "scheduling/batching_scheduler.h"
#include "scheduling/lane_scheduler.h"
#include "server/load_settings.h"
#include "server/options.h"

namespace baton::server {

// What the stacks of all versions share. Borrowed.
struct StackParts {
  scheduling::LaneScheduler* lanes = nullptr;
  scheduling::BatchingScheduler* batches = nullptr;         // null without --enable_batching
  scheduling::BatchingScheduler* tflite_batches = nullptr;  // null with one interpreter per pool
  metrics::ServingMetrics* metrics = nullptr;
};

// What a call passes on its way to the engine, outermost first: batching or scheduling, then the
// engine; before a TFLite engine with several interpreters per pool, TensorFlow Serving's batcher
// of its own (contract §11). The one place where the order of wrapping is decided. `batching`: null
// for a version that is not batched. Errors: those of making the model's instances, and of
// parameters that no batch fits.
absl::StatusOr<std::unique_ptr<predict::Predictor>> MakePredictorStack(
    const Options& options, const LoadSettings& settings, const lifecycle::ServableId& id,
    const scheduling::BatchingOptions* batching, std::string_view engine_name, engine::Model* model,
    const StackParts& parts);

}  // namespace baton::server
