#pragma once

#include "frontend/grpc/grpc_handler.h"
#include "service/inference_service.h"

namespace baton::frontend::grpc {

// tensorflow.serving.SessionService, which TensorFlow Serving declares and does not serve; neither
// does Baton unless --enable_session_service says so. A run may feed and fetch what the model's
// signatures declare, by graph names or aliases, over several signatures at once; the rest of the
// graph is out of reach, so that the service opens nothing that Predict does not.
//
// Threads: thread-safe. Owner: server/; outlives the handler it registers with. Errors: contract
// §3.2; kInvalidArgument for tensors that no signature has; kUnimplemented for targets and traces.
class SessionService {
 public:
  explicit SessionService(const service::InferenceService* inference) : inference_(inference) {}

  void Register(GrpcHandler& handler) const;

 private:
  void SessionRun(UnaryCallPtr call) const;

  const service::InferenceService* const inference_;
};

}  // namespace baton::frontend::grpc
