#pragma once

// For tests and fuzz targets: the contract's decoding rules (§3.4) written once more, the slow and
// obvious way, over protobuf's own classes. What DecodeTensor answers must be what this answers.

#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "tensor/tensor.h"
#include "tensorflow/core/framework/tensor.pb.h"

namespace baton::codec::grpc {

// Every element as the bytes it has in memory; a string as its text.
using ReferenceElements = std::vector<std::string>;

template <typename T>
std::string RawBytes(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

// The values of the typed field, as many as there are.
inline ReferenceElements ReferenceTypedValues(const tensorflow::TensorProto& proto) {
  ReferenceElements values;
  const auto narrow = [&](const auto& field, auto zero) {
    for (const auto v : field) values.push_back(RawBytes(static_cast<decltype(zero)>(v)));
  };
  const auto pairs = [&](const auto& field) {
    for (int i = 0; i + 1 < field.size(); i += 2)
      values.push_back(RawBytes(field[i]) + RawBytes(field[i + 1]));
  };
  const auto nibbles = [&](int bits, bool is_signed) {
    for (const int v : proto.int_val()) {
      int low = v & ((1 << bits) - 1);
      if (is_signed && low >= 1 << (bits - 1)) low -= 1 << bits;
      values.push_back(RawBytes(static_cast<int8_t>(low)));
    }
  };
  switch (proto.dtype()) {
    case tensorflow::DT_FLOAT:
      narrow(proto.float_val(), float{});
      break;
    case tensorflow::DT_DOUBLE:
      narrow(proto.double_val(), double{});
      break;
    case tensorflow::DT_INT32:
    case tensorflow::DT_QINT32:
      narrow(proto.int_val(), int32_t{});
      break;
    case tensorflow::DT_INT16:
    case tensorflow::DT_UINT16:
    case tensorflow::DT_QINT16:
    case tensorflow::DT_QUINT16:
      narrow(proto.int_val(), int16_t{});
      break;
    case tensorflow::DT_INT8:
    case tensorflow::DT_UINT8:
    case tensorflow::DT_QINT8:
    case tensorflow::DT_QUINT8:
      narrow(proto.int_val(), int8_t{});
      break;
    case tensorflow::DT_INT4:
      nibbles(4, true);
      break;
    case tensorflow::DT_UINT4:
      nibbles(4, false);
      break;
    case tensorflow::DT_INT2:
      nibbles(2, true);
      break;
    case tensorflow::DT_UINT2:
      nibbles(2, false);
      break;
    case tensorflow::DT_INT64:
      narrow(proto.int64_val(), int64_t{});
      break;
    case tensorflow::DT_UINT32:
      narrow(proto.uint32_val(), uint32_t{});
      break;
    case tensorflow::DT_UINT64:
      narrow(proto.uint64_val(), uint64_t{});
      break;
    case tensorflow::DT_BOOL:
      narrow(proto.bool_val(), bool{});
      break;
    case tensorflow::DT_HALF:
    case tensorflow::DT_BFLOAT16:
      narrow(proto.half_val(), uint16_t{});
      break;
    case tensorflow::DT_COMPLEX64:
      pairs(proto.scomplex_val());
      break;
    case tensorflow::DT_COMPLEX128:
      pairs(proto.dcomplex_val());
      break;
    case tensorflow::DT_STRING:
      values.assign(proto.string_val().begin(), proto.string_val().end());
      break;
    default:
      for (const char c : proto.float8_val()) values.push_back(std::string(1, c));
  }
  return values;
}

inline std::optional<ReferenceElements> ReferenceStringContent(const std::string& content,
                                                               int64_t count) {
  ReferenceElements values;
  std::vector<uint32_t> lengths;
  size_t at = 0;
  for (int64_t i = 0; i < count; ++i) {
    uint32_t length = 0;
    for (int shift = 0;; shift += 7) {
      if (shift > 28 || at == content.size()) return std::nullopt;
      const auto byte = static_cast<uint8_t>(content[at++]);
      length |= static_cast<uint32_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    lengths.push_back(length);
  }
  for (const uint32_t length : lengths) {
    if (content.size() - at < length) return std::nullopt;
    values.push_back(content.substr(at, length));
    at += length;
  }
  if (at != content.size()) return std::nullopt;
  return values;
}

// The number of elements, or nullopt when the shape is refused. Affordability is not looked at.
inline std::optional<int64_t> ReferenceCount(const tensorflow::TensorProto& proto) {
  tensor::Shape shape;
  if (proto.tensor_shape().dim_size() > static_cast<int>(tensor::Shape::kMaxRank))
    return std::nullopt;
  for (const auto& dim : proto.tensor_shape().dim()) shape.Append(dim.size());
  return shape.NumElements();
}

// nullopt: refused. REQUIRES: few elements; no resource and no variant.
inline std::optional<ReferenceElements> ReferenceDecode(const tensorflow::TensorProto& proto) {
  const size_t element = tensor::ByteSize(static_cast<tensor::DType>(proto.dtype()));
  const std::optional<int64_t> count = ReferenceCount(proto);
  if (element == 0 || !count) return std::nullopt;
  if (*count == 0) return ReferenceElements();
  const bool is_string = proto.dtype() == tensorflow::DT_STRING;
  ReferenceElements values;
  if (!proto.tensor_content().empty()) {
    if (is_string) return ReferenceStringContent(proto.tensor_content(), *count);
    if (proto.tensor_content().size() != static_cast<size_t>(*count) * element) return std::nullopt;
    for (int64_t i = 0; i < *count; ++i)
      values.push_back(proto.tensor_content().substr(i * element, element));
    return values;
  }
  values = ReferenceTypedValues(proto);
  const std::string filler = !values.empty() ? values.back()
                             : is_string     ? ""
                                             : std::string(element, '\0');
  values.resize(static_cast<size_t>(*count), filler);
  return values;
}

// A decoded tensor in the same form.
inline ReferenceElements ElementsOf(const tensor::Tensor& tensor) {
  ReferenceElements values;
  const size_t element = tensor::ByteSize(tensor.dtype());
  for (int64_t i = 0; i < tensor.num_elements(); ++i) {
    if (tensor.dtype() == tensor::DType::kString) {
      values.emplace_back(tensor.strings()[static_cast<size_t>(i)].view());
    } else {
      values.emplace_back(tensor.bytes().substr(static_cast<size_t>(i) * element, element));
    }
  }
  return values;
}

}  // namespace baton::codec::grpc
