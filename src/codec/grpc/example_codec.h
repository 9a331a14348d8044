#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "base/buffer.h"
#include "lifecycle/servable_id.h"
#include "predict/example_call.h"
#include "predict/model_spec.h"
#include "tensor/tensor.h"

namespace baton::codec::grpc {

// The Examples of an Input, found on the wire and not looked into: whether one is well-formed is
// the graph's business. Views into the message.
struct ExamplesView {
  // Lists of the kind that the Input has in the end, none empty; more than one where the message
  // repeats a field, which protobuf merges.
  absl::InlinedVector<std::string_view, 1> lists = {};
  bool has_context = false;                               // ExampleListWithContext
  absl::InlinedVector<std::string_view, 1> context = {};  // pieces of one Example, none empty
  size_t count = 0;                                       // Examples in all lists
};

// A ClassificationRequest or RegressionRequest.
struct ExampleRequestView {
  std::optional<predict::ModelSpec> spec;
  ExamplesView examples;
};

struct MultiInferenceRequestView {
  std::vector<predict::InferenceTask> tasks;
  ExamplesView examples;
};

// A MultiInferenceRequest of more tasks is refused.
inline constexpr size_t kMaxTasks = 10000;

// Errors: kInvalidArgument for bytes that are no such message; kResourceExhausted for too many
// tasks.
absl::StatusOr<ExampleRequestView> ParseClassificationRequest(std::string_view message);
absl::StatusOr<ExampleRequestView> ParseRegressionRequest(std::string_view message);
absl::StatusOr<MultiInferenceRequestView> ParseMultiInferenceRequest(std::string_view message);

// A vector of strings that are views into `message`, which the tensor keeps alive; with a context,
// into one block of copies, each the context's bytes followed by the example's. Empty without
// examples. Errors: kResourceExhausted when the copies take too much (predict/example_call.h).
absl::StatusOr<tensor::Tensor> ReadExamples(const ExamplesView& examples,
                                            const base::Buffer& message);

// Serialized responses, without gRPC framing; `prefix_bytes` are left free in front for it.
base::Buffer EncodeClassificationResponse(const lifecycle::ServableId& id,
                                          std::string_view signature_name,
                                          const predict::Classifications& result,
                                          size_t prefix_bytes);
base::Buffer EncodeRegressionResponse(const lifecycle::ServableId& id,
                                      std::string_view signature_name,
                                      const predict::Regressions& result, size_t prefix_bytes);
base::Buffer EncodeMultiInferenceResponse(const lifecycle::ServableId& id,
                                          std::span<const predict::TaskResult> results,
                                          size_t prefix_bytes);

}  // namespace baton::codec::grpc
