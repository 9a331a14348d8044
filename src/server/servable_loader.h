#pragma once

#include <memory>
#include <string>

#include "engine/engine_registry.h"
#include "lifecycle/servable.h"
#include "scheduling/lane_scheduler.h"
#include "server/load_settings.h"
#include "server/options.h"
#include "storage/local_store.h"

namespace baton::server {

// Loads a version directory with the engine that fits and puts the predictor stack on it.
//
// Threads: thread-safe. Owner: Server; borrows the registry and the scheduler. Errors: the
// engine's.
class ServableLoader final : public lifecycle::ServableFactory {
 public:
  ServableLoader(const Options& options, const LoadSettings& settings,
                 engine::EngineRegistry* engines, scheduling::LaneScheduler* scheduler);

  absl::StatusOr<std::unique_ptr<lifecycle::Servable>> Load(
      const lifecycle::ServableId& id, const std::string& path,
      std::shared_ptr<predict::Cancellation> cancellation) override;

 private:
  const Options options_;
  const LoadSettings settings_;
  engine::EngineRegistry* const engines_;
  scheduling::LaneScheduler* const scheduler_;
};

// What the engines say about the files of a version, for the store's question whether a copy is
// complete.
storage::ArtifactState ProbeArtifact(engine::EngineRegistry& engines, const std::string& path);

}  // namespace baton::server
