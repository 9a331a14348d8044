#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace baton::tensor {

// Element types, with TensorFlow's DataType numbers (tensorflow/core/framework/types.proto).
// clang-format off
enum class DType : int32_t {
  kInvalid = 0, kFloat = 1, kDouble = 2, kInt32 = 3, kUint8 = 4, kInt16 = 5, kInt8 = 6, kString = 7,
  kComplex64 = 8, kInt64 = 9, kBool = 10, kQint8 = 11, kQuint8 = 12, kQint32 = 13, kBfloat16 = 14,
  kQint16 = 15, kQuint16 = 16, kUint16 = 17, kComplex128 = 18, kHalf = 19, kResource = 20,
  kVariant = 21, kUint32 = 22, kUint64 = 23, kFloat8E5m2 = 24, kFloat8E4m3fn = 25,
  kFloat8E4m3fnuz = 26, kFloat8E4m3b11fnuz = 27, kFloat8E5m2fnuz = 28, kInt4 = 29, kUint4 = 30,
  kInt2 = 31, kUint2 = 32,
};
// clang-format on

// One element of a string tensor: a view; the tensor's buffer owner keeps the bytes alive.
struct StringRef {
  const char* data = nullptr;
  size_t size = 0;
  std::string_view view() const { return {data, size}; }
};

// Bytes of one element in a tensor's buffer: sizeof(StringRef) for strings, 0 for types without a
// host layout (invalid, resource, variant, _ref). Four- and two-bit integers take a byte each, as
// in TensorFlow.
size_t ByteSize(DType dtype);

// "float", "half", "int4", as error texts print it; "invalid" for anything unknown; ref types get
// "_ref".
std::string_view Name(DType dtype);
// "DT_FLOAT"; "DT_INVALID" for anything unknown.
std::string_view EnumName(DType dtype);

}  // namespace baton::tensor
