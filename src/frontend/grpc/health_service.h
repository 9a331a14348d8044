#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "frontend/grpc/grpc_handler.h"
#include "service/model_service.h"

namespace baton::frontend::grpc {

// grpc.health.v1.Health: Check and Watch for "" and the names TensorFlow Serving registers
// (ModelService, PredictionService) as well as their full names. SERVING while the process is
// ready, NOT_SERVING during start-up and drain.
//
// Threads: thread-safe. Owner: server/. Errors: NOT_FOUND for an unknown service (Check),
// SERVICE_UNKNOWN (Watch).
class HealthService {
 public:
  explicit HealthService(service::Health* health);
  ~HealthService();

  void Register(GrpcHandler& handler);

 private:
  class Watcher;
  class Watchers;
  void Check(const UnaryCallPtr& call) const;

  service::Health* const health_;
  const std::shared_ptr<Watchers> watchers_;
};

}  // namespace baton::frontend::grpc
