#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "predict/model_spec.h"
#include "tensor/dtype.h"

namespace baton::predict {

// The words that codecs and rules share about calls over tf.Examples: Classify, Regress and
// MultiInference. The examples themselves are a one-dimensional string tensor of serialized
// Examples.

// Method names of signatures, and of MultiInference's tasks.
inline constexpr std::string_view kPredictMethodName = "tensorflow/serving/predict";
inline constexpr std::string_view kClassifyMethodName = "tensorflow/serving/classify";
inline constexpr std::string_view kRegressMethodName = "tensorflow/serving/regress";

// A context Example is copied in front of every other one. A request may not take more memory than
// this by that; bytes that the request itself has do not count.
inline constexpr uint64_t kMaxContextCopyBytes = uint64_t{256} << 20;

// One wish of a MultiInferenceRequest. Views into the request.
struct InferenceTask {
  std::optional<ModelSpec> spec = {};
  std::string_view method_name = {};
};

// The answer of a classification: the same number of classes for every example. Views into the
// tensors of a PredictResponse, row by row.
struct Classifications {
  size_t examples = 0;
  size_t classes = 0;
  // Each has examples * classes elements, or none: then labels are empty, scores zero.
  std::span<const tensor::StringRef> labels = {};
  std::span<const float> scores = {};
};

// The answer of a regression: one value per example. A view as above.
struct Regressions {
  std::span<const float> values = {};
};

// What one task of a run gave.
struct TaskResult {
  std::string_view signature_name;  // of the model's signature
  std::variant<Classifications, Regressions> value;
};

}  // namespace baton::predict
