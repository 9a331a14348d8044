#pragma once

#include "base/executor.h"
#include "frontend/grpc/grpc_handler.h"
#include "lifecycle/config_applier.h"
#include "service/model_service.h"

namespace baton::frontend::grpc {

// tensorflow.serving.ModelService: GetModelStatus and HandleReloadConfigRequest.
//
// Threads: thread-safe. Owner: server/. Errors: contract §3.8, §5.7.
class ModelService {
 public:
  // `applier` null: reloading over the network is switched off and answers PERMISSION_DENIED.
  // Applying a configuration waits for the manager's thread, so it starts on `executor`.
  ModelService(const service::ModelService* models, lifecycle::ConfigApplier* applier,
               base::Executor* executor)
      : models_(models), applier_(applier), executor_(executor) {}

  void Register(GrpcHandler& handler) const;

 private:
  void GetModelStatus(const UnaryCallPtr& call) const;
  void HandleReloadConfigRequest(UnaryCallPtr call) const;

  const service::ModelService* const models_;
  lifecycle::ConfigApplier* const applier_;
  base::Executor* const executor_;
};

}  // namespace baton::frontend::grpc
