#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/signature.h"
#include "predict/call.h"
#include "predict/example_call.h"
#include "tensor/tensor.h"

namespace baton::service {

// One run over tf.Examples: what Classify, Regress and MultiInference make of their signatures.
// Front ends and warm-up use it alike:
//
//   plan = ExamplePlan::Classify(signatures, name, options, text);  // the checks before the run
//   request = plan->Feed(examples);                                  // for Session::Run, Predictor
//   results = plan->Read(response);                                  // the checks after it
//
// Threads: thread-compatible. Owner: the call; borrows the signatures, so it ends before the lease
// on their model. Errors: contract §3.5 to §3.7, in its order and words.
class ExamplePlan {
 public:
  struct Options {
    bool check_method_name = false;  // --enable_signature_method_name_check
  };
  // A SignatureDef in protobuf's text format, for error texts: a codec's business.
  using SignatureText = absl::FunctionRef<std::string(const engine::Signature&)>;

  // An empty name is the default signature's.
  static absl::StatusOr<ExamplePlan> Classify(const engine::SignatureTable& signatures,
                                              std::string_view signature_name,
                                              const Options& options, SignatureText text);
  static absl::StatusOr<ExamplePlan> Regress(const engine::SignatureTable& signatures,
                                             std::string_view signature_name,
                                             const Options& options, SignatureText text);
  // All tasks in one run. The model was found by the first task's spec.
  static absl::StatusOr<ExamplePlan> MultiInference(const engine::SignatureTable& signatures,
                                                    std::span<const predict::InferenceTask> tasks,
                                                    const Options& options, SignatureText text);

  // The run: every distinct graph tensor is fed, and fetched, once. REQUIRES: `examples` is a
  // vector of strings; called once. Errors: kInvalidArgument without examples.
  absl::StatusOr<predict::PredictRequest> Feed(tensor::Tensor examples);

  // What each task gets, in their order; views into `response`. REQUIRES: Feed was called, and this
  // is the answer.
  using Results = absl::InlinedVector<predict::TaskResult, 1>;
  absl::StatusOr<Results> Read(const predict::PredictResponse& response) const;

  // The signature of the first task, nullptr without tasks.
  const engine::Signature* signature() const {
    return tasks_.empty() ? nullptr : tasks_[0].signature;
  }
  // Set by Feed.
  int64_t num_examples() const { return num_examples_; }

 private:
  enum class Method : uint8_t { kClassify, kRegress };
  static constexpr size_t kNone = SIZE_MAX;

  struct Task {
    const engine::Signature* signature = nullptr;
    Method method = Method::kClassify;
    // Where among the run's outputs.
    size_t labels = kNone;
    size_t values = kNone;  // scores, or a regression's values
  };
  // A port of the run.
  struct Port {
    const engine::Signature* signature;
    uint32_t index;
  };

  static absl::StatusOr<ExamplePlan> ForOne(Method method, const engine::SignatureTable& signatures,
                                            std::string_view signature_name, const Options& options,
                                            SignatureText text);
  absl::Status Add(Method method, const engine::Signature& signature, const Options& options,
                   SignatureText text);
  size_t Fetch(const engine::Signature& signature, uint32_t port);

  absl::InlinedVector<Task, 1> tasks_;
  absl::InlinedVector<Port, 1> inputs_;
  absl::InlinedVector<Port, 2> outputs_;
  int64_t num_examples_ = 0;
};

// Check 3 of Predict (contract §3.3), made where the method-name check is switched on: a signature
// of one of the three methods. Errors: kInternal with the contract's text.
absl::Status CheckPredictMethodName(const engine::Signature& signature);

}  // namespace baton::service
