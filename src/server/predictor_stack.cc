#include "server/predictor_stack.h"

#include <utility>

#include "base/status_macros.h"
#include "predict/engine_predictor.h"
#include "scheduling/scheduling_predictor.h"

namespace baton::server {

absl::StatusOr<std::unique_ptr<predict::Predictor>> MakePredictorStack(
    const Options& options, const LoadSettings& settings, const lifecycle::ServableId& id,
    engine::Model* model, scheduling::LaneScheduler* scheduler) {
  auto leaf = std::make_unique<predict::EnginePredictor>(
      predict::EnginePredictor::Options{.threads_per_run = settings.threads_per_run}, model);
  BATON_RETURN_IF_ERROR(leaf->Prepare(static_cast<uint32_t>(CountOrCpus(options.event_loops) +
                                                            CountOrCpus(options.engine_threads))));
  const uint32_t max_runs = leaf->max_concurrent_runs();
  return std::make_unique<scheduling::SchedulingPredictor>(
      scheduling::SchedulingPredictor::Options{
          .model = id.name,
          .version = id.version,
          .max_concurrent_runs = max_runs,
          .inline_below = absl::Microseconds(options.inline_below_micros)},
      model->signatures(), scheduler, std::move(leaf));
}

}  // namespace baton::server
