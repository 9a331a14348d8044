#pragma once

#include <string>

#include "baton/engine_sdk.h"
#include "tensorflow/core/framework/tensor.h"

namespace baton::tf_engine {

// Whether a run may use the memory of its inputs where it lies.
enum class Inputs {
  kShared,  // numbers in place when aligned, strings as views
  kCopied,  // for graphs that can keep an input beyond the run
};

// An input as a TensorFlow tensor.
sdk::Status ToTensor(const baton_tensor& input, Inputs inputs, tensorflow::Tensor* out);

// A result as an output of the run that keeps `tensor` alive until the host releases it. `name` is
// for messages.
sdk::Status FromTensor(const tensorflow::Tensor& tensor, const std::string& name,
                       baton_tensor* out);

}  // namespace baton::tf_engine
