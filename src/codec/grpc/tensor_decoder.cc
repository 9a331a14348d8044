#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "codec/grpc/tensor_codec.h"
#include "codec/grpc/tensor_fields.h"
#include "codec/grpc/typed_field.h"

namespace baton::codec::grpc {
namespace {

using tensor::DType;
using tensor::Shape;
using tensor::StringRef;
using tensor::Tensor;

// Resources and variants have no bytes here; an engine would need about this much for each.
constexpr uint64_t kObjectBytes = 64;

absl::Status Malformed() { return absl::InvalidArgumentError("the tensor is no TensorProto"); }

// One tensor's bytes, and what is known of it before its elements are read.
struct Source {
  std::string_view bytes;
  const base::Buffer& message;
  int depth;
  DType dtype;
  TypedField field;
  size_t count;         // elements by the shape
  size_t element_size;  // 0 for objects
};

bool IsAligned(std::string_view bytes) {
  return reinterpret_cast<uintptr_t>(bytes.data()) % base::Buffer::kAlignment == 0;
}

// REQUIRES: IsAffordable said yes.
absl::StatusOr<base::Buffer> AllocateElements(const Source& source) {
  try {
    return base::Buffer::Allocate(source.count * source.element_size);
  } catch (const std::bad_alloc&) {
    return absl::InvalidArgumentError("the tensor does not fit in memory");
  }
}

// Small in itself, or at most eight times the message: a varint of one byte becomes an element of
// eight, a string of two bytes one of sixteen.
bool IsAffordable(uint64_t count, uint64_t element_size, size_t wire_bytes) {
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(count, element_size, &bytes)) return false;
  return bytes <= kMaxUnbackedTensorBytes || bytes / 8 <= wire_bytes;
}

// A field that is too short repeats its last element; an empty one means zeros.
void FillUp(char* elements, const Source& source, size_t found) {
  const size_t size = source.element_size;
  if (found >= source.count) return;
  char* const end = elements + source.count * size;
  if (found == 0) {
    std::memset(elements, 0, static_cast<size_t>(end - elements));
    return;
  }
  // Doubling: each step copies all that is there already.
  const char* last = elements + (found - 1) * size;
  char* at = elements + found * size;
  while (at < end) {
    const size_t ready = static_cast<size_t>(at - last);
    const size_t step = std::min(ready, static_cast<size_t>(end - at));
    std::memcpy(at, last, step);
    at += step;
  }
}

absl::StatusOr<base::Buffer> DecodeContent(const Source& source, std::string_view content) {
  if (content.size() != source.count * source.element_size) {
    return absl::InvalidArgumentError("tensor_content has the wrong length");
  }
  if (IsAligned(content)) {
    return base::Buffer::Wrap(content.data(), content.size(), source.message.owner());
  }
  BATON_ASSIGN_OR_RETURN(base::Buffer buffer, AllocateElements(source));
  std::memcpy(buffer.mutable_data(), content.data(), content.size());
  return buffer;
}

absl::StatusOr<base::Buffer> DecodeFixed(const Source& source) {
  const size_t total = source.count * source.element_size;
  const auto unit_type =
      source.field.unit == 4 ? WireReader::WireType::kFixed32 : WireReader::WireType::kFixed64;
  base::Buffer buffer;
  size_t found = 0;  // bytes
  WireReader reader(source.bytes, source.depth);
  while (found < total && reader.Next()) {
    if (reader.field() != source.field.field) continue;
    if (!reader.is_bytes() && reader.type() != unit_type) continue;
    const uint64_t number = reader.number();
    const std::string_view piece =
        reader.is_bytes()
            ? reader.bytes()
            : std::string_view(reinterpret_cast<const char*>(&number), source.field.unit);
    if (reader.is_bytes() && found == 0 && piece.size() >= total && IsAligned(piece)) {
      return base::Buffer::Wrap(piece.data(), total, source.message.owner());
    }
    if (buffer.empty()) {
      BATON_ASSIGN_OR_RETURN(buffer, AllocateElements(source));
    }
    const size_t step = std::min(piece.size(), total - found);
    if (step > 0) std::memcpy(buffer.mutable_data() + found, piece.data(), step);
    found += step;
  }
  if (buffer.empty()) {
    BATON_ASSIGN_OR_RETURN(buffer, AllocateElements(source));
  }
  FillUp(buffer.mutable_data(), source, found / source.element_size);
  return buffer;
}

template <typename T, typename Convert>
absl::StatusOr<base::Buffer> DecodeVarints(const Source& source, Convert convert) {
  BATON_ASSIGN_OR_RETURN(base::Buffer buffer, AllocateElements(source));
  T* const elements = reinterpret_cast<T*>(buffer.mutable_data());
  size_t found = 0;
  WireReader reader(source.bytes, source.depth);
  while (reader.Next()) {
    if (reader.field() != source.field.field) continue;
    if (reader.is_varint()) {
      if (found < source.count) elements[found++] = convert(reader.number());
      continue;
    }
    if (!reader.is_bytes()) continue;
    const char* at = reader.bytes().data();
    const char* const end = at + reader.bytes().size();
    uint64_t value = 0;
    while (at < end && found < source.count) {
      if (!ReadVarint(&at, end, &value)) return Malformed();
      elements[found++] = convert(value);
    }
    while (at < end) {  // more than the shape holds: ignored, but must be well-formed
      if (!ReadVarint(&at, end, &value)) return Malformed();
    }
  }
  FillUp(buffer.mutable_data(), source, found);
  return buffer;
}

template <typename T>
absl::StatusOr<base::Buffer> DecodeIntegers(const Source& source) {
  return DecodeVarints<T>(source, [](uint64_t value) { return static_cast<T>(value); });
}

absl::StatusOr<base::Buffer> DecodeVarintField(const Source& source) {
  switch (source.dtype) {
    case DType::kInt4:
      return DecodeVarints<int8_t>(source, SignedNibble<4>);
    case DType::kInt2:
      return DecodeVarints<int8_t>(source, SignedNibble<2>);
    case DType::kUint4:
      return DecodeVarints<uint8_t>(source, UnsignedNibble<4>);
    case DType::kUint2:
      return DecodeVarints<uint8_t>(source, UnsignedNibble<2>);
    case DType::kBool:
      return DecodeVarints<uint8_t>(source, [](uint64_t value) { return uint8_t{value != 0}; });
    default:
      break;
  }
  // The bits that do not fit are dropped, so signs do not matter here.
  switch (source.element_size) {
    case 1:
      return DecodeIntegers<uint8_t>(source);
    case 2:
      return DecodeIntegers<uint16_t>(source);
    case 4:
      return DecodeIntegers<uint32_t>(source);
    default:
      return DecodeIntegers<uint64_t>(source);
  }
}

absl::StatusOr<base::Buffer> DecodeFloat8(const Source& source, std::string_view values) {
  BATON_ASSIGN_OR_RETURN(base::Buffer buffer, AllocateElements(source));
  const size_t found = std::min(values.size(), source.count);
  if (found > 0) std::memcpy(buffer.mutable_data(), values.data(), found);
  FillUp(buffer.mutable_data(), source, found);
  return buffer;
}

// The views, and the message that they point into.
base::Buffer KeepMessage(base::Buffer views, const base::Buffer& message) {
  auto both = std::make_shared<std::pair<base::Buffer, base::Buffer>>(std::move(views), message);
  const base::Buffer& held = both->first;
  return base::Buffer::Wrap(held.data(), held.size(), both);
}

absl::StatusOr<base::Buffer> DecodeStrings(const Source& source) {
  BATON_ASSIGN_OR_RETURN(base::Buffer views, AllocateElements(source));
  auto* const elements = reinterpret_cast<StringRef*>(views.mutable_data());
  size_t found = 0;
  WireReader reader(source.bytes, source.depth);
  while (found < source.count && reader.Next()) {
    if (reader.field() != source.field.field || !reader.is_bytes()) continue;
    elements[found++] = {reader.bytes().data(), reader.bytes().size()};
  }
  FillUp(views.mutable_data(), source, found);
  return KeepMessage(std::move(views), source.message);
}

// Every length first, as a varint of 32 bits, then every byte.
absl::StatusOr<base::Buffer> DecodeStringContent(const Source& source, std::string_view content) {
  const absl::Status wrong = absl::InvalidArgumentError("tensor_content holds no list of strings");
  if (content.size() < source.count) return wrong;  // each length takes a byte
  BATON_ASSIGN_OR_RETURN(base::Buffer views, AllocateElements(source));
  auto* const elements = reinterpret_cast<StringRef*>(views.mutable_data());
  const char* at = content.data();
  const char* const end = at + content.size();
  uint64_t total = 0;
  for (size_t i = 0; i < source.count; ++i) {
    const char* const start = at;
    uint64_t length = 0;
    if (!ReadVarint(&at, end, &length) || at - start > 5) return wrong;
    elements[i].size = static_cast<uint32_t>(length);
    total += elements[i].size;
  }
  if (total != static_cast<uint64_t>(end - at)) return wrong;
  for (size_t i = 0; i < source.count; ++i) {
    elements[i].data = at;
    at += elements[i].size;
  }
  return KeepMessage(std::move(views), source.message);
}

absl::StatusOr<base::Buffer> DecodeElements(const Source& source, const TensorFields& fields) {
  if (source.field.form == TypedField::Form::kObject || source.count == 0) return base::Buffer();
  if (!fields.content.empty()) {
    return source.dtype == DType::kString ? DecodeStringContent(source, fields.content)
                                          : DecodeContent(source, fields.content);
  }
  switch (source.field.form) {
    case TypedField::Form::kFixed:
      return DecodeFixed(source);
    case TypedField::Form::kVarint:
      return DecodeVarintField(source);
    case TypedField::Form::kStrings:
      return DecodeStrings(source);
    default:
      return DecodeFloat8(source, fields.float8);
  }
}

}  // namespace

absl::StatusOr<Tensor> DecodeTensor(std::string_view bytes, const base::Buffer& message,
                                    int depth) {
  TensorFields fields;
  if (!ReadTensorFields(bytes, depth, &fields)) return Malformed();
  const TypedField field = FieldOf(fields.dtype);
  if (field.form == TypedField::Form::kNone) {
    return absl::InvalidArgumentError("dtype is not set, unknown or a reference");
  }
  if (fields.shape.rank() > Shape::kMaxRank) {
    return absl::InvalidArgumentError("the shape has too many dimensions");
  }
  const std::optional<int64_t> count = fields.shape.NumElements();
  const bool is_object = field.form == TypedField::Form::kObject;
  const size_t element_size = tensor::ByteSize(fields.dtype);
  if (!count || !IsAffordable(static_cast<uint64_t>(*count),
                              is_object ? kObjectBytes : element_size, bytes.size())) {
    return absl::InvalidArgumentError("the shape is negative or too large");
  }
  // Those of this tensor are checked as they are read.
  const bool reads_varints =
      field.form == TypedField::Form::kVarint && fields.content.empty() && *count > 0;
  const uint32_t read_later = reads_varints ? 1u << field.field : 0;
  if ((fields.packed_varints & ~read_later) != 0 &&
      !CheckPackedVarints(bytes, depth, reads_varints ? field.field : 0)) {
    return Malformed();
  }
  const Source source{bytes,       message, depth, fields.dtype, field, static_cast<size_t>(*count),
                      element_size};
  BATON_ASSIGN_OR_RETURN(base::Buffer elements, DecodeElements(source, fields));
  return Tensor::FromBuffer(fields.dtype, std::move(fields.shape), std::move(elements));
}

}  // namespace baton::codec::grpc
