#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/buffer.h"
#include "codec/grpc/example_codec.h"
#include "codec/grpc/log_codec.h"
#include "engine/engine.h"
#include "metrics/serving_metrics.h"
#include "predict/call.h"
#include "predict/predictor.h"
#include "service/example_plan.h"

namespace baton::server {

// Asks a version what a recorded call asked, through its whole predictor stack, and drops the
// answer. The record's model name and version are ignored, everything else counts as for a client.
// Each run is a sample of TensorFlow Serving's runtime_latency under the recorded name.
//
// Threads: thread-safe. Owner: the load of the version; borrows everything. Errors: those a client
// would get; kInvalidArgument for a request that does not parse; kUnimplemented for kinds that are
// not replayed (contract §7).
class Replay {
 public:
  struct Target {
    const engine::Model* model = nullptr;
    predict::Predictor* predictor = nullptr;
    std::shared_ptr<predict::Cancellation> cancellation = {};  // may be null
    metrics::ServingMetrics* metrics = nullptr;                // may be null
    bool check_method_name = false;  // --enable_signature_method_name_check
  };
  explicit Replay(Target target) : target_(std::move(target)) {}

  // Returns when the answer is there. A log without a request of any kind is skipped.
  absl::Status Run(const codec::grpc::PredictionLogView& log) const;

 private:
  absl::Status Predict(const base::Buffer& message) const;
  absl::Status Classify(const base::Buffer& message) const;
  absl::Status Regress(const base::Buffer& message) const;
  absl::Status MultiInference(const base::Buffer& message) const;

  absl::Status RunPlan(absl::StatusOr<service::ExamplePlan> plan,
                       const codec::grpc::ExamplesView& view, const base::Buffer& message,
                       std::string_view model_name, std::string_view api) const;
  // `api` is empty for what has no sample.
  absl::StatusOr<predict::PredictResponse> RunAndWait(predict::PredictRequest request,
                                                      std::string_view model_name,
                                                      std::string_view api) const;

  const Target target_;
};

}  // namespace baton::server
