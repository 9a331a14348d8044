#pragma once

// Signatures and printed tensors for the tests of this folder.

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/strings.h"
#include "engine/signature.h"
#include "predict/call.h"
#include "tensor/tensor.h"

namespace baton::codec::rest {

inline engine::Port MakePort(std::string name, tensor::DType dtype) {
  engine::Port port;
  port.tensor_name = name + ":0";
  port.name = std::move(name);
  port.dtype = dtype;
  port.shape.unknown_rank = true;
  return port;
}

// Ports must be given sorted by name, as a SignatureTable keeps them.
inline engine::Signature MakeSignature(std::vector<engine::Port> inputs,
                                       std::vector<engine::Port> outputs = {}) {
  engine::Signature signature;
  signature.name = "serving_default";
  signature.inputs = std::move(inputs);
  signature.outputs = std::move(outputs);
  return signature;
}

// x -> y of one type.
inline engine::Signature Identity(tensor::DType dtype) {
  return MakeSignature({MakePort("x", dtype)}, {MakePort("y", dtype)});
}

inline std::string ElementText(const tensor::Tensor& tensor, size_t i) {
  using tensor::DType;
  switch (tensor.dtype()) {
    case DType::kFloat:
      return absl::StrCat(tensor.values<float>()[i]);
    case DType::kDouble:
      return absl::StrCat(tensor.values<double>()[i]);
    case DType::kInt8:
      return absl::StrCat(tensor.values<int8_t>()[i]);
    case DType::kInt16:
      return absl::StrCat(tensor.values<int16_t>()[i]);
    case DType::kInt32:
      return absl::StrCat(tensor.values<int32_t>()[i]);
    case DType::kInt64:
      return absl::StrCat(tensor.values<int64_t>()[i]);
    case DType::kUint8:
      return absl::StrCat(tensor.values<uint8_t>()[i]);
    case DType::kUint32:
      return absl::StrCat(tensor.values<uint32_t>()[i]);
    case DType::kUint64:
      return absl::StrCat(tensor.values<uint64_t>()[i]);
    case DType::kBool:
      return tensor.values<bool>()[i] ? "true" : "false";
    case DType::kString:
      return "'" + std::string(tensor.strings()[i].view()) + "'";
    default:
      return "?";
  }
}

// "float[2] 1 2"
inline std::string TensorText(const tensor::Tensor& tensor) {
  std::string text = base::StrCat(tensor::Name(tensor.dtype()), tensor.shape().DebugString());
  for (int64_t i = 0; i < tensor.num_elements(); ++i) {
    text += " " + ElementText(tensor, static_cast<size_t>(i));
  }
  return text;
}

}  // namespace baton::codec::rest
