#pragma once

#include <cstdint>
#include <string_view>

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace baton::codec::grpc {

// A TensorProto on the wire with everything found but its typed elements, which take another walk
// once the type is known. Views into the bytes.
struct TensorFields {
  tensor::DType dtype = tensor::DType::kInvalid;
  tensor::Shape shape;  // cut one above the highest rank there may be
  std::string_view content;
  std::string_view float8;
  // Bit n: the packed varints of field n were seen; whether they are well-formed shows only when
  // they are read.
  uint32_t packed_varints = 0;
};

// False for bytes that protobuf would not parse; packed varints are not looked into.
bool ReadTensorFields(std::string_view bytes, int depth, TensorFields* fields);

// Whether the packed varints of every field but `except` are well-formed.
bool CheckPackedVarints(std::string_view bytes, int depth, uint32_t except);

}  // namespace baton::codec::grpc
