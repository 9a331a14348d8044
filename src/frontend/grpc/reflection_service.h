#pragma once

#include "frontend/grpc/grpc_handler.h"

namespace baton::frontend::grpc {

// grpc.reflection.v1 and v1alpha: lets grpcurl and its like list services and fetch their schemas.
//
// Lists what was registered before it: call it last.
//
// Threads: stateless. Errors: inside the protocol's own error_response.
void RegisterReflection(GrpcHandler& handler);

}  // namespace baton::frontend::grpc
