#pragma once

#include "absl/status/status.h"
#include "predict/call.h"

namespace baton::predict {

// Compares the inputs' types with those of their signatures. Shapes are the graph's business, as in
// TensorFlow Serving; which inputs must be there is the codec's. Pure.
//
// Errors: kInvalidArgument in TensorFlow's words, with the index among the inputs given; kInternal
// for port numbers that their signature does not have.
absl::Status ValidateRequest(const PredictRequest& request);

}  // namespace baton::predict
