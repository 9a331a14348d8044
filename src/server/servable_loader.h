#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/engine_registry.h"
#include "lifecycle/servable.h"
#include "server/load_settings.h"
#include "server/options.h"
#include "server/predictor_stack.h"
#include "storage/local_store.h"

namespace baton::server {

// Loads a version directory with the engine that fits, puts the predictor stack on it and warms it
// up.
//
// Threads: thread-safe. Owner: Server; borrows the registry and the parts. Errors: the
// engine's, those of batching_params.pbtxt, and WarmUp's.
class ServableLoader final : public lifecycle::ServableFactory {
 public:
  ServableLoader(const Options& options, const LoadSettings& settings,
                 engine::EngineRegistry* engines, const StackParts& parts);

  absl::StatusOr<std::unique_ptr<lifecycle::Servable>> Load(
      const lifecycle::ServableId& id, const std::string& path,
      std::shared_ptr<predict::Cancellation> cancellation) override;

 private:
  // How the version is batched; nothing: not at all.
  absl::StatusOr<std::optional<scheduling::BatchingOptions>> BatchingOf(
      const std::string& path) const;

  const Options options_;
  const LoadSettings settings_;
  engine::EngineRegistry* const engines_;
  const StackParts parts_;
};

// What the engines say about the files of a version, for the store's question whether a copy is
// complete.
storage::ArtifactState ProbeArtifact(engine::EngineRegistry& engines, const std::string& path);

}  // namespace baton::server
