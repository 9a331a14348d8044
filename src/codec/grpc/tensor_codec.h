#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/buffer.h"
#include "codec/grpc/wire_reader.h"
#include "tensor/tensor.h"

namespace baton::codec::grpc {

// What one tensor may take beyond a small multiple of the bytes that describe it: a single value
// can ask to be repeated over any shape. The largest message there is could not carry more.
inline constexpr uint64_t kMaxUnbackedTensorBytes = uint64_t{64} << 20;

// Decodes a serialized tensorflow.TensorProto by the contract's rules (§3.4). `message` is the
// buffer that holds `bytes`: numbers that lie there as they would in memory (tensor_content, packed
// floats) are borrowed without a copy when they are 64-byte aligned, strings are always views into
// it. Resources and variants, which no host value can hold, come back with their shape and no
// bytes. `depth` as in WireReader. Errors: kInvalidArgument with an inner reason; the caller words
// the contract's "tensor parsing error: <alias>".
absl::StatusOr<tensor::Tensor> DecodeTensor(std::string_view bytes, const base::Buffer& message,
                                            int depth = kMaxWireDepth);

enum class TensorEncoding { kTypedField, kTensorContent };

// Bytes that AppendTensor will add.
size_t EncodedTensorSize(const tensor::Tensor& tensor, TensorEncoding encoding);
void AppendTensor(const tensor::Tensor& tensor, TensorEncoding encoding, std::string* out);

}  // namespace baton::codec::grpc
