#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/buffer.h"
#include "tensor/tensor.h"

namespace baton::codec::grpc {

// Decodes a serialized tensorflow.TensorProto by the contract's rules (§3.4). `message` is the buffer that holds
// `bytes`: numeric tensor_content is borrowed from it without a copy when it is 64-byte aligned (or the element type
// needs less and `alignment` says so), strings are always views into it.
// Errors: kInvalidArgument with an inner reason; the caller words the contract's "tensor parsing error: <alias>".
absl::StatusOr<tensor::Tensor> DecodeTensor(std::string_view bytes, const base::Buffer& message);

enum class TensorEncoding { kTypedField, kTensorContent };

// Bytes that AppendTensor will add.
size_t EncodedTensorSize(const tensor::Tensor& tensor, TensorEncoding encoding);
void AppendTensor(const tensor::Tensor& tensor, TensorEncoding encoding, std::string* out);

}  // namespace baton::codec::grpc
