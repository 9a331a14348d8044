#include "codec/rest/tensor_filler.h"

#include <algorithm>
#include <limits>
#include <string>

#include "absl/container/inlined_vector.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "codec/rest/base64.h"
#include "codec/rest/rapidjson_text.h"

namespace baton::codec::rest {
namespace {

using tensor::DType;

// Conversions take what a JSON value of the kind may become; false is the wrong-type error.
template <typename T>
struct ToReal {
  const JsonTape& tape;
  bool operator()(size_t at, T* out) const {
    const uint64_t entry = tape.raw(at);
    switch (JsonTape::KindOf(entry)) {
      case JsonKind::kDouble:
        *out = static_cast<T>(std::bit_cast<double>(entry));
        return true;
      // By way of double, as TensorFlow Serving rounds.
      case JsonKind::kInt:
        *out = static_cast<T>(static_cast<double>(JsonTape::SmallInt(entry)));
        return true;
      case JsonKind::kBigInt:
        *out = static_cast<T>(tape.integer_at(at).AsDouble());
        return true;
      default:
        return false;
    }
  }
};

// Element type T, values checked against the range of Checked and then cut to T.
template <typename T, typename Checked>
struct ToInteger {
  const JsonTape& tape;
  bool operator()(size_t at, T* out) const {
    const JsonKind kind = tape.kind(at);
    if (kind != JsonKind::kInt && kind != JsonKind::kBigInt) return false;
    const JsonInteger value = tape.integer_at(at);
    using Limits = std::numeric_limits<Checked>;
    if (value.negative ? value.AsSigned() < static_cast<int64_t>(Limits::min())
                       : value.bits > static_cast<uint64_t>(Limits::max())) {
      return false;
    }
    *out = static_cast<T>(value.bits);
    return true;
  }
};

bool IsSupported(DType dtype) {
  switch (dtype) {
    case DType::kFloat:
    case DType::kDouble:
    case DType::kInt8:
    case DType::kInt16:
    case DType::kInt32:
    case DType::kInt64:
    case DType::kUint8:
    case DType::kUint32:
    case DType::kUint64:
    case DType::kBool:
    case DType::kString:
      return true;
    default:
      return false;
  }
}

struct ToBool {
  const JsonTape& tape;
  bool operator()(size_t at, bool* out) const {
    const JsonKind kind = tape.kind(at);
    *out = kind == JsonKind::kTrue;
    return *out || kind == JsonKind::kFalse;
  }
};

}  // namespace

tensor::Shape ShapeOf(const JsonTape& tape, size_t at) {
  tensor::Shape shape;
  while (tape.is_array(at)) {
    const uint64_t count = tape.count(at);
    shape.Append(static_cast<int64_t>(count));
    if (count == 0) break;
    at += 2;
  }
  return shape;
}

TensorFiller::TensorFiller(const JsonTape& tape, DType dtype) : tape_(tape), dtype_(dtype) {
  if (dtype_ != DType::kString) return;
  strings_ = std::make_shared<StringStore>();
  strings_->text = tape.text();
}

absl::Status TensorFiller::Reserve(int64_t elements) {
  BATON_ASSIGN_OR_RETURN(tensor::Tensor memory,
                         tensor::Tensor::Allocate(dtype_, tensor::Shape({elements})));
  elements_ = memory.buffer();
  capacity_ = static_cast<size_t>(elements);
  if (strings_ != nullptr) strings_->views = elements_;
  return absl::OkStatus();
}

absl::Status TensorFiller::Fill(size_t at, const tensor::Shape& shape) {
  const size_t rank = shape.rank();
  absl::InlinedVector<uint64_t, 8> left;  // per open list, children yet to come
  while (true) {
    const size_t level = left.size();
    if (tape_.is_array(at)) {
      // level < rank: whatever stands at the last level is read, or refused, by FillRun.
      const uint64_t count = tape_.count(at);
      if (count != static_cast<uint64_t>(shape.dim(level))) {
        return absl::InvalidArgumentError(
            base::StrCat("Encountered list at unexpected size: ", count, " at level: ", level,
                         " expected size: ", shape.dim(level)));
      }
      at += 2;
      if (level + 1 < rank && count > 0) {
        left.push_back(count);
        continue;
      }
      BATON_RETURN_IF_ERROR(FillRun(&at, count, rank));
    } else if (level != rank) {
      return absl::InvalidArgumentError(base::StrCat(
          "JSON Value: ", DebugText(tape_, at), " found at incorrect level: ", level + 1,
          " in the JSON DOM. Expected at level: ", rank));
    } else {
      BATON_RETURN_IF_ERROR(FillRun(&at, 1, rank));
    }
    while (!left.empty() && --left.back() == 0) left.pop_back();
    if (left.empty()) return absl::OkStatus();
  }
}

absl::Status TensorFiller::FillRun(size_t* at, uint64_t count, size_t rank) {
  switch (dtype_) {
    case DType::kFloat:
      return FillFixed<float>(at, count, rank, ToReal<float>{tape_});
    case DType::kDouble:
      return FillFixed<double>(at, count, rank, ToReal<double>{tape_});
    case DType::kInt32:
      return FillFixed<int32_t>(at, count, rank, ToInteger<int32_t, int32_t>{tape_});
    case DType::kInt16:
      return FillFixed<int16_t>(at, count, rank, ToInteger<int16_t, int32_t>{tape_});
    case DType::kInt8:
      return FillFixed<int8_t>(at, count, rank, ToInteger<int8_t, int32_t>{tape_});
    case DType::kUint8:
      return FillFixed<uint8_t>(at, count, rank, ToInteger<uint8_t, int32_t>{tape_});
    case DType::kInt64:
      return FillFixed<int64_t>(at, count, rank, ToInteger<int64_t, int64_t>{tape_});
    case DType::kUint32:
      return FillFixed<uint32_t>(at, count, rank, ToInteger<uint32_t, uint32_t>{tape_});
    case DType::kUint64:
      return FillFixed<uint64_t>(at, count, rank, ToInteger<uint64_t, uint64_t>{tape_});
    case DType::kBool:
      return FillFixed<bool>(at, count, rank, ToBool{tape_});
    case DType::kString:
      return FillStrings(at, count, rank);
    default:
      return count == 0 ? absl::OkStatus() : WrongLeaf(*at, rank);
  }
}

template <typename T, typename Convert>
absl::Status TensorFiller::FillFixed(size_t* at, uint64_t count, size_t rank, Convert convert) {
  T* const out = reinterpret_cast<T*>(elements_.mutable_data());
  size_t used = used_;
  size_t position = *at;
  // A value of fixed size is one entry; anything else is an error, so the step is always one.
  for (const size_t end = position + count; position < end; ++position) {
    T value;
    if (!convert(position, &value)) return WrongLeaf(position, rank);
    if (used < capacity_) out[used++] = value;
  }
  used_ = used;
  *at = position;
  return absl::OkStatus();
}

absl::Status TensorFiller::FillStrings(size_t* at, uint64_t count, size_t rank) {
  auto* const out = reinterpret_cast<tensor::StringRef*>(elements_.mutable_data());
  for (uint64_t i = 0; i < count; ++i) {
    tensor::StringRef view;
    if (tape_.kind(*at) == JsonKind::kString) {
      view = ReadString(*at);
    } else if (tape_.is_object(*at)) {
      if (!tape_.is_base64_object(*at)) {
        return absl::InvalidArgumentError(base::StrCat("JSON Value: ", DebugText(tape_, *at),
                                                       " not formatted correctly for base64 data"));
      }
      BATON_ASSIGN_OR_RETURN(view, ReadBase64(*at + 4));
    } else {
      return WrongLeaf(*at, rank);
    }
    if (used_ < capacity_) out[used_++] = view;
    *at = tape_.next(*at);
  }
  return absl::OkStatus();
}

char* TensorFiller::StringStore::Room(size_t bytes) {
  constexpr size_t kBlock = 64 << 10;
  if (blocks.empty() || blocks.back().size() - used < bytes) {
    blocks.push_back(base::Buffer::Allocate(std::max(bytes, blocks.empty() ? 256 : kBlock)));
    used = 0;
  }
  return blocks.back().mutable_data() + used;
}

tensor::StringRef TensorFiller::StringStore::Keep(const char* room, size_t bytes) {
  used += bytes;
  return {room, bytes};
}

tensor::StringRef TensorFiller::ReadString(size_t at) {
  const std::string_view raw = tape_.raw_string(at);
  if (!tape_.has_escapes(at)) return {raw.data(), raw.size()};
  char* const room = strings_->Room(raw.size());
  return strings_->Keep(room, Unescape(raw, room));
}

absl::StatusOr<tensor::StringRef> TensorFiller::ReadBase64(size_t at) {
  const tensor::StringRef text = ReadString(at);
  char* const room = strings_->Room(text.size);
  const ptrdiff_t bytes = DecodeBase64(text.view(), room);
  if (bytes < 0) return absl::InvalidArgumentError("Unable to base64 decode");
  return strings_->Keep(room, static_cast<size_t>(bytes));
}

absl::Status TensorFiller::WrongLeaf(size_t at, size_t rank) const {
  const std::string_view type = tensor::Name(dtype_);
  if (tape_.is_array(at)) {
    return absl::InvalidArgumentError(
        base::StrCat("Encountered list at unexpected level: ", rank, " expected < ", rank));
  }
  if (!IsSupported(dtype_)) {
    return absl::UnimplementedError(
        base::StrCat("Conversion of JSON Value: ", DebugText(tape_, at), " to type: ", type));
  }
  return absl::InvalidArgumentError(base::StrCat("JSON Value: ", DebugText(tape_, at),
                                                 " Type: ", TypeName(tape_.kind(at)),
                                                 " is not of expected type: ", type));
}

tensor::Tensor TensorFiller::Finish(tensor::Shape shape) && {
  if (strings_ == nullptr) return tensor::Tensor::FromBuffer(dtype_, std::move(shape), elements_);
  return tensor::Tensor::FromBuffer(
      dtype_, std::move(shape),
      base::Buffer::Wrap(elements_.data(), elements_.size(), std::move(strings_)));
}

}  // namespace baton::codec::rest
