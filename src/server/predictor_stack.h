#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "lifecycle/servable_id.h"
#include "predict/predictor.h"
#include "scheduling/lane_scheduler.h"
#include "server/load_settings.h"
#include "server/options.h"

namespace baton::server {

// What a call passes on its way to the engine, outermost first: scheduling, engine. The one place
// where the order of wrapping is decided. Errors: those of making the model's instances.
absl::StatusOr<std::unique_ptr<predict::Predictor>> MakePredictorStack(
    const Options& options, const LoadSettings& settings, const lifecycle::ServableId& id,
    engine::Model* model, scheduling::LaneScheduler* scheduler);

}  // namespace baton::server
