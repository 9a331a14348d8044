#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

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
  // TensorFlow Serving's metrics page, for the counters that a reload's caller asks for.
  using MetricsPage = std::function<std::string()>;

  // `applier` null: reloading over the network is switched off and answers PERMISSION_DENIED.
  // `log_root`: under which request logs that a reload asks for may be written; empty: nowhere.
  // Applying a configuration waits for the manager's thread, so it starts on `executor`.
  ModelService(const service::ModelService* models, lifecycle::ConfigApplier* applier,
               base::Executor* executor, MetricsPage metrics_page, std::string log_root = "")
      : models_(models),
        applier_(applier),
        executor_(executor),
        metrics_page_(std::move(metrics_page)),
        log_root_(std::move(log_root)) {}

  void Register(GrpcHandler& handler) const;

 private:
  void GetModelStatus(const UnaryCallPtr& call) const;
  void HandleReloadConfigRequest(UnaryCallPtr call) const;
  // How much the first cell of each metric grew since the page `before` was taken.
  std::vector<std::pair<std::string, int64_t>> Increases(const std::vector<std::string>& names,
                                                         const std::string& before) const;

  const service::ModelService* const models_;
  lifecycle::ConfigApplier* const applier_;
  base::Executor* const executor_;
  const MetricsPage metrics_page_;
  const std::string log_root_;
};

}  // namespace baton::frontend::grpc
