#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/buffer.h"
#include "predict/example_call.h"
#include "tensor/tensor.h"

namespace baton::codec::rest {

// A classify or regress body, read whole before the model is looked up (contract §4.7).
struct ExampleBody {
  std::string signature_name;  // empty when the body has none
  tensor::Tensor examples;     // serialized Examples, each with the context in front; at least one

  // Errors: kInvalidArgument with the contract's texts; kResourceExhausted when copies of the
  // context take too much (predict/example_call.h).
  static absl::StatusOr<ExampleBody> Parse(base::Buffer body);
};

// The answer's text, white space included. Errors: kInvalidArgument without results.
absl::StatusOr<base::Buffer> EncodeClassifications(const predict::Classifications& result);
absl::StatusOr<base::Buffer> EncodeRegressions(const predict::Regressions& result);

}  // namespace baton::codec::rest
