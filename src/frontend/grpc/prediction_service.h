#pragma once

#include "codec/grpc/tensor_codec.h"
#include "frontend/grpc/grpc_handler.h"
#include "service/inference_service.h"

namespace baton::frontend::grpc {

// tensorflow.serving.PredictionService: Predict and GetModelMetadata.
//
// Threads: thread-safe. Owner: server/; outlives the handler it registers with. Errors: contract
// §3.2, §3.3, §3.8.
class PredictionService {
 public:
  struct Options {
    codec::grpc::TensorEncoding encoding = codec::grpc::TensorEncoding::kTypedField;
  };

  PredictionService(Options options, const service::InferenceService* inference)
      : options_(options), inference_(inference) {}

  void Register(GrpcHandler& handler) const;

 private:
  void Predict(UnaryCallPtr call) const;
  void GetModelMetadata(const UnaryCallPtr& call) const;

  const Options options_;
  const service::InferenceService* const inference_;
};

}  // namespace baton::frontend::grpc
