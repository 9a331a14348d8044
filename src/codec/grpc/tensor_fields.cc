#include "codec/grpc/tensor_fields.h"

#include "codec/grpc/cold_message.h"
#include "codec/grpc/utf8.h"
#include "codec/grpc/wire_reader.h"
#include "tensorflow/core/framework/resource_handle.pb.h"
#include "tensorflow/core/framework/tensor.pb.h"

namespace baton::codec::grpc {
namespace {

constexpr uint32_t kPackedVarintFields =
    1u << 7 | 1u << 10 | 1u << 11 | 1u << 13 | 1u << 16 | 1u << 17;

bool ReadDim(std::string_view bytes, int depth, tensor::Shape* shape) {
  WireReader reader(bytes, depth);
  int64_t size = 0;
  while (reader.Next()) {
    if (reader.field() == 1 && reader.is_varint()) {
      size = static_cast<int64_t>(reader.number());
    } else if (reader.field() == 2 && reader.is_bytes() && !IsValidUtf8(reader.bytes())) {
      return false;
    }
  }
  if (shape->rank() <= tensor::Shape::kMaxRank) shape->Append(size);
  return reader.ok();
}

bool ReadShape(std::string_view bytes, int depth, tensor::Shape* shape) {
  WireReader reader(bytes, depth);
  while (reader.Next()) {
    if (reader.field() != 2 || !reader.is_bytes()) continue;
    if (!ReadDim(reader.bytes(), reader.inner_depth(), shape)) return false;
  }
  return reader.ok();
}

}  // namespace

bool ReadTensorFields(std::string_view bytes, int depth, TensorFields* fields) {
  WireReader reader(bytes, depth);
  size_t cold_bytes = 0;
  while (reader.Next()) {
    if (reader.is_varint()) {
      if (reader.field() == 1) fields->dtype = static_cast<tensor::DType>(reader.number());
      continue;
    }
    if (!reader.is_bytes()) continue;
    const std::string_view value = reader.bytes();
    switch (reader.field()) {
      case 2:
        if (!ReadShape(value, reader.inner_depth(), &fields->shape)) return false;
        break;
      case 4:
        fields->content = value;
        break;
      case 5:
      case 9:
        if (value.size() % 4 != 0) return false;
        break;
      case 6:
      case 12:
        if (value.size() % 8 != 0) return false;
        break;
      case 14:
      case 15:
        cold_bytes += value.size();
        if (cold_bytes > kMaxColdBytes) return false;
        if (reader.field() == 14
                ? !IsWellFormed<tensorflow::ResourceHandleProto>(value, reader.inner_depth())
                : !IsWellFormed<tensorflow::VariantTensorDataProto>(value, reader.inner_depth())) {
          return false;
        }
        break;
      case 18:
        fields->float8 = value;
        break;
      default:
        if (reader.field() < 32)
          fields->packed_varints |= kPackedVarintFields & 1u << reader.field();
    }
  }
  return reader.ok();
}

bool CheckPackedVarints(std::string_view bytes, int depth, uint32_t except) {
  WireReader reader(bytes, depth);
  while (reader.Next()) {
    if (!reader.is_bytes() || reader.field() == except || reader.field() >= 32 ||
        (kPackedVarintFields & 1u << reader.field()) == 0) {
      continue;
    }
    const char* at = reader.bytes().data();
    const char* end = at + reader.bytes().size();
    uint64_t ignored = 0;
    while (at < end) {
      if (!ReadVarint(&at, end, &ignored)) return false;
    }
  }
  return reader.ok();
}

}  // namespace baton::codec::grpc
