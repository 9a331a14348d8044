#include "server/predictor_stack.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "predict/engine_predictor.h"
#include "scheduling/batching_predictor.h"
#include "scheduling/scheduling_predictor.h"
#include "server/tflite_batching.h"

namespace baton::server {

absl::StatusOr<std::unique_ptr<predict::Predictor>> MakePredictorStack(
    const Options& options, const LoadSettings& settings, const lifecycle::ServableId& id,
    const scheduling::BatchingOptions* batching, std::string_view engine_name, engine::Model* model,
    const StackParts& parts) {
  auto leaf = std::make_unique<predict::EnginePredictor>(
      predict::EnginePredictor::Options{.threads_per_run = settings.threads_per_run}, model);
  // Whoever may call the leaf: its own batch threads, or any loop and engine thread. More than a
  // few dozen at once are made when they are needed.
  constexpr size_t kPrepared = 64;
  const size_t callers =
      batching != nullptr ? settings.batching->Threads()
                          : CountOrCpus(options.event_loops) + CountOrCpus(options.engine_threads);
  BATON_RETURN_IF_ERROR(leaf->Prepare(static_cast<uint32_t>(std::min(callers, kPrepared))));
  uint32_t max_runs = leaf->max_concurrent_runs();
  std::unique_ptr<predict::Predictor> next = std::move(leaf);
  if (engine_name == "tflite" && parts.tflite_batches != nullptr) {
    next = std::make_unique<scheduling::BatchingPredictor>(
        scheduling::BatchingPredictor::Options{
            .model = id.name,
            .version = id.version,
            .batching = TfliteBatching(settings.tflite_interpreters_per_pool, *model),
            .max_concurrent_runs = max_runs},
        parts.tflite_batches, std::move(next));
    max_runs = 0;  // what it takes, it only queues
  }
  if (batching != nullptr) {
    BATON_RETURN_IF_ERROR(batching->Validate());
    return std::make_unique<scheduling::BatchingPredictor>(
        scheduling::BatchingPredictor::Options{.model = id.name,
                                               .version = id.version,
                                               .batching = *batching,
                                               .max_concurrent_runs = max_runs,
                                               .metrics = parts.metrics},
        parts.batches, std::move(next));
  }
  return std::make_unique<scheduling::SchedulingPredictor>(
      scheduling::SchedulingPredictor::Options{
          .model = id.name,
          .version = id.version,
          .max_concurrent_runs = max_runs,
          .inline_below = absl::Microseconds(options.inline_below_micros)},
      model->signatures(), parts.lanes, std::move(next));
}

}  // namespace baton::server
