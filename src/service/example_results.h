#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "predict/example_call.h"
#include "tensor/tensor.h"

namespace baton::service {

// What a graph gave, as the answer of a call over `examples` tf.Examples: the checks after the run.
// The results are views into the tensors. Pure. Errors: kInvalidArgument in the words of contract
// §3.5, in its order.

// Either tensor may be missing, not both.
absl::StatusOr<predict::Classifications> ReadClassifications(const tensor::Tensor* labels,
                                                             const tensor::Tensor* scores,
                                                             int64_t examples);

absl::StatusOr<predict::Regressions> ReadRegressions(const tensor::Tensor& values,
                                                     int64_t examples);

}  // namespace baton::service
