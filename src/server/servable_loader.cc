#include "server/servable_loader.h"

#include <utility>

#include "base/log.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "server/predictor_stack.h"
#include "server/warmup.h"

namespace baton::server {

ServableLoader::ServableLoader(const Options& options, const LoadSettings& settings,
                               engine::EngineRegistry* engines, const StackParts& parts)
    : options_(options), settings_(settings), engines_(engines), parts_(parts) {}

absl::StatusOr<std::optional<scheduling::BatchingOptions>> ServableLoader::BatchingOf(
    const std::string& path) const {
  if (!settings_.batching || !settings_.per_model_batching) return settings_.batching;
  return ReadModelBatching(path, *settings_.batching);
}

absl::StatusOr<std::unique_ptr<lifecycle::Servable>> ServableLoader::Load(
    const lifecycle::ServableId& id, const std::string& path,
    std::shared_ptr<predict::Cancellation> cancellation) {
  if (settings_.refuses_loads) {
    return absl::UnimplementedError("Saved model config functionality is not implemented.");
  }
  BATON_ASSIGN_OR_RETURN(engine::Engine * engine, engines_->ForPath(path));
  BATON_ASSIGN_OR_RETURN(std::unique_ptr<engine::Model> model,
                         engine->Load(path, settings_.engine));
  base::LogInfo(base::StrCat("Loaded ", id.DebugString(), " with the ", engine->name(), " engine, ",
                             model->memory_bytes() >> 20, " MiB"),
                {{"model", id.name}, {"engine", engine->name()}});
  BATON_ASSIGN_OR_RETURN(const std::optional<scheduling::BatchingOptions> batching,
                         BatchingOf(path));
  BATON_ASSIGN_OR_RETURN(
      std::unique_ptr<predict::Predictor> predictor,
      MakePredictorStack(options_, settings_, id, batching ? &*batching : nullptr, engine->name(),
                         model.get(), parts_));
  if (settings_.warmup) {
    BATON_RETURN_IF_ERROR(WarmUp(
        {.iterations = settings_.warmup_iterations, .threads = settings_.warmup_threads}, path,
        {.model = model.get(),
         .predictor = predictor.get(),
         .cancellation = std::move(cancellation),
         .metrics = parts_.metrics,
         .check_method_name = options_.enable_signature_method_name_check}));
  }
  return std::make_unique<lifecycle::Servable>(id, std::move(model), std::move(predictor));
}

storage::ArtifactState ProbeArtifact(engine::EngineRegistry& engines, const std::string& path) {
  absl::StatusOr<engine::Engine*> engine = engines.ForPath(path);
  if (!engine.ok()) return storage::ArtifactState::kUnknown;
  std::string reason;
  switch ((*engine)->Probe(path, &reason)) {
    case engine::ProbeResult::kYes:
      return storage::ArtifactState::kWhole;
    case engine::ProbeResult::kMaybe:
      return storage::ArtifactState::kPartial;
    default:
      return storage::ArtifactState::kUnknown;
  }
}

}  // namespace baton::server
