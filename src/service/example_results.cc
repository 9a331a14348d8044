#include "service/example_results.h"

#include <string>
#include <string_view>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"

namespace baton::service {
namespace {

using tensor::DType;
using tensor::Tensor;

template <typename... Args>
absl::Status Wrong(const Args&... args) {
  return absl::InvalidArgumentError(base::StrCat(args...));
}

// A matrix of one type with a row for every example. `name`: "classes" or "scores".
absl::Status CheckMatrix(const Tensor& tensor, std::string_view name, DType expected,
                         int64_t examples) {
  if (tensor.shape().rank() != 2) {
    return Wrong("Expected Tensor shape: [batch_size num_classes] but got ",
                 tensor.shape().DebugString());
  }
  if (tensor.dtype() != expected) {
    return Wrong("Expected ", name, " Tensor of ", tensor::EnumName(expected),
                 ". Got: ", tensor::EnumName(tensor.dtype()));
  }
  if (tensor.shape().dim(0) != examples) {
    return Wrong("Expected ", name, " output batch size of ", examples,
                 ". Got: ", tensor.shape().dim(0));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<predict::Classifications> ReadClassifications(const Tensor* labels,
                                                             const Tensor* scores,
                                                             int64_t examples) {
  if (labels != nullptr) {
    BATON_RETURN_IF_ERROR(CheckMatrix(*labels, "classes", DType::kString, examples));
  }
  if (scores != nullptr) {
    BATON_RETURN_IF_ERROR(CheckMatrix(*scores, "scores", DType::kFloat, examples));
  }
  if (labels != nullptr && scores != nullptr && labels->shape().dim(1) != scores->shape().dim(1)) {
    return Wrong("Tensors class and score should match in dim_size(1). Got ",
                 labels->shape().dim(1), " vs. ", scores->shape().dim(1));
  }
  predict::Classifications result;
  result.examples = static_cast<size_t>(examples);
  if (labels != nullptr) {
    result.classes = static_cast<size_t>(labels->shape().dim(1));
    result.labels = labels->strings();
  }
  if (scores != nullptr) {
    result.classes = static_cast<size_t>(scores->shape().dim(1));
    result.scores = scores->values<float>();
  }
  return result;
}

absl::StatusOr<predict::Regressions> ReadRegressions(const Tensor& values, int64_t examples) {
  const tensor::Shape& shape = values.shape();
  if (shape.rank() != 1 && (shape.rank() != 2 || shape.dim(1) != 1)) {
    return Wrong(
        "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but "
        "got ",
        shape.DebugString());
  }
  if (shape.dim(0) != examples) {
    return Wrong("Input batch size did not match output batch size: ", examples, " vs. ",
                 shape.dim(0));
  }
  if (values.dtype() != DType::kFloat) {
    return Wrong("Expected output Tensor of DT_FLOAT.  Got: ", tensor::EnumName(values.dtype()));
  }
  return predict::Regressions{values.values<float>()};
}

}  // namespace baton::service
