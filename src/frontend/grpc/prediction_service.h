#pragma once

#include "codec/grpc/example_codec.h"
#include "codec/grpc/tensor_codec.h"
#include "frontend/grpc/grpc_handler.h"
#include "metrics/serving_metrics.h"
#include "service/example_plan.h"
#include "service/inference_service.h"

namespace baton::frontend::grpc {

// tensorflow.serving.PredictionService: Predict, Classify, Regress, MultiInference and
// GetModelMetadata.
//
// Threads: thread-safe. Owner: server/; outlives the handler it registers with. Errors: contract
// §3.2 to §3.8.
class PredictionService {
 public:
  struct Options {
    codec::grpc::TensorEncoding encoding = codec::grpc::TensorEncoding::kTypedField;
    bool check_method_name = false;              // --enable_signature_method_name_check
    metrics::ServingMetrics* metrics = nullptr;  // counts MultiInference's examples; may be null
  };

  PredictionService(Options options, const service::InferenceService* inference)
      : options_(options), inference_(inference) {}

  void Register(GrpcHandler& handler) const;

 private:
  void Predict(UnaryCallPtr call) const;
  void Classify(UnaryCallPtr call) const;
  void Regress(UnaryCallPtr call) const;
  void MultiInference(UnaryCallPtr call) const;
  void GetModelMetadata(const UnaryCallPtr& call) const;

  const Options options_;
  const service::InferenceService* const inference_;
};

}  // namespace baton::frontend::grpc
