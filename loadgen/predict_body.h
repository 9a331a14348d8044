#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace baton::loadgen {

// One Predict call with one float tensor.
struct PredictCall {
  std::string model;
  std::optional<int64_t> version;
  std::string signature;  // empty: the default one
  std::string input;      // the tensor's name; REST needs none when the signature has one input
  std::vector<int64_t> shape;
  std::vector<float> values;  // repeated until the shape is filled
};

// tensorflow.serving.PredictRequest, written byte by byte; floats in float_val.
std::string PredictRequestBytes(const PredictCall& call);

// {"instances": [...]}: the rows of the tensor; by name when `input` is given.
std::string PredictJson(const PredictCall& call);
// "/v1/models/NAME[/versions/N]:predict"
std::string PredictUrl(const PredictCall& call);

}  // namespace baton::loadgen
