#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "lifecycle/servable_id.h"
#include "predict/predictor.h"

namespace baton::lifecycle {

// One loaded version, ready to answer: the model, and the predictor stack over it. Immutable.
//
// Threads: thread-safe. Owner: the manager and every outstanding ServableHandle share it; when the
// last lets go it is destroyed on the reaper, never on a request thread.
class Servable {
 public:
  // The predictor dies before the model it runs on.
  Servable(ServableId id, std::unique_ptr<engine::Model> model,
           std::unique_ptr<predict::Predictor> predictor, std::shared_ptr<void> observer = nullptr)
      : id_(std::move(id)),
        model_(std::move(model)),
        observer_(std::move(observer)),
        predictor_(std::move(predictor)) {}

  const ServableId& id() const { return id_; }
  const engine::Model& model() const { return *model_; }
  const engine::SignatureTable& signatures() const { return model_->signatures(); }
  predict::Predictor& predictor() const { return *predictor_; }
  // Whatever the factory wants to be at hand for requests of this version (its metric cells).
  void* observer() const { return observer_.get(); }

 private:
  const ServableId id_;
  const std::unique_ptr<engine::Model> model_;
  const std::shared_ptr<void> observer_;
  const std::unique_ptr<predict::Predictor> predictor_;
};

// A lease on a version: while it lives, the version is not unloaded.
using ServableHandle = std::shared_ptr<const Servable>;

// Makes a servable out of a version directory: picks the engine, loads, builds the predictor stack.
//
// Threads: Load is called on load threads, several at once. Owner: server/. Errors: what the engine
// says; a Load may be repeated after an error, and may fail as it likes once it is cancelled.
class ServableFactory {
 public:
  virtual ~ServableFactory() = default;
  virtual absl::StatusOr<std::unique_ptr<Servable>> Load(
      const ServableId& id, const std::string& path,
      std::shared_ptr<predict::Cancellation> cancellation) = 0;
};

}  // namespace baton::lifecycle
