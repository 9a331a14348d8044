#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace baton::codec::grpc {

// Where in a TensorProto the elements of a type lie when tensor_content is not used, and how they
// are written there.
struct TypedField {
  enum class Form : uint8_t {
    kNone,     // the type cannot be on the wire
    kFixed,    // packed little-endian numbers of `unit` bytes: the tensor's own bytes
    kVarint,   // packed varints
    kStrings,  // one run of bytes per element
    kBytes,    // a single run with a byte per element
    kObject,   // messages that only an engine understands
  };
  Form form = Form::kNone;
  uint32_t field = 0;
  size_t unit = 0;
};

constexpr TypedField FieldOf(tensor::DType dtype) {
  using tensor::DType;
  using Form = TypedField::Form;
  switch (dtype) {
    case DType::kFloat:
      return {Form::kFixed, 5, 4};
    case DType::kDouble:
      return {Form::kFixed, 6, 8};
    case DType::kComplex64:
      return {Form::kFixed, 9, 4};
    case DType::kComplex128:
      return {Form::kFixed, 12, 8};
    case DType::kInt32:
    case DType::kInt16:
    case DType::kInt8:
    case DType::kUint8:
    case DType::kUint16:
    case DType::kQint8:
    case DType::kQint16:
    case DType::kQint32:
    case DType::kQuint8:
    case DType::kQuint16:
    case DType::kInt4:
    case DType::kUint4:
    case DType::kInt2:
    case DType::kUint2:
      return {Form::kVarint, 7, 0};
    case DType::kInt64:
      return {Form::kVarint, 10, 0};
    case DType::kBool:
      return {Form::kVarint, 11, 0};
    case DType::kHalf:
    case DType::kBfloat16:
      return {Form::kVarint, 13, 0};
    case DType::kUint32:
      return {Form::kVarint, 16, 0};
    case DType::kUint64:
      return {Form::kVarint, 17, 0};
    case DType::kString:
      return {Form::kStrings, 8, 0};
    case DType::kFloat8E5m2:
    case DType::kFloat8E4m3fn:
    case DType::kFloat8E4m3fnuz:
    case DType::kFloat8E4m3b11fnuz:
    case DType::kFloat8E5m2fnuz:
      return {Form::kBytes, 18, 1};
    case DType::kResource:
      return {Form::kObject, 14, 0};
    case DType::kVariant:
      return {Form::kObject, 15, 0};
    case DType::kInvalid:
      break;
  }
  return {};
}

// The value of a four- or two-bit integer, which takes a byte in memory: what lies above it is not
// part of it.
template <int kBits>
constexpr int8_t SignedNibble(uint64_t value) {
  return static_cast<int8_t>(static_cast<int8_t>(value << (8 - kBits)) >> (8 - kBits));
}
template <int kBits>
constexpr uint8_t UnsignedNibble(uint64_t value) {
  return static_cast<uint8_t>(value & ((1u << kBits) - 1));
}

}  // namespace baton::codec::grpc
