#include "engine/abi_tensor.h"

#include <cstddef>
#include <optional>
#include <utility>

#include "base/strings.h"

namespace baton::engine {
namespace {

// A string tensor crosses without a conversion.
static_assert(sizeof(baton_str) == sizeof(tensor::StringRef));
static_assert(offsetof(baton_str, data) == offsetof(tensor::StringRef, data));
static_assert(offsetof(baton_str, size) == offsetof(tensor::StringRef, size));

// What a CPU needs to read an element of that size where it lies.
size_t AlignmentOf(tensor::DType dtype, size_t element) {
  if (dtype == tensor::DType::kComplex64) return sizeof(float);
  return element > sizeof(uint64_t) ? sizeof(uint64_t) : element;
}

absl::Status CheckStrings(const baton_tensor& descriptor, int64_t count) {
  const auto* strings = static_cast<const baton_str*>(descriptor.data);
  uint64_t total = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (strings[i].data == nullptr && strings[i].size != 0) {
      return absl::InternalError(base::StrCat("string ", i, " has a size but no bytes"));
    }
    if (__builtin_add_overflow(total, strings[i].size, &total) || total > PTRDIFF_MAX) {
      return absl::InternalError("its strings are larger than the address space");
    }
  }
  return absl::OkStatus();
}

}  // namespace

baton_tensor ToAbi(const tensor::Tensor& tensor) {
  baton_tensor out = {};
  out.struct_size = sizeof(out);
  out.dtype = static_cast<int32_t>(tensor.dtype());
  out.memory = BATON_MEMORY_HOST;
  out.rank = static_cast<uint32_t>(tensor.shape().rank());
  out.dims = tensor.shape().dims().data();
  out.data = tensor.buffer().data();
  out.bytes = tensor.buffer().size();
  return out;
}

RunOutputs::RunOutputs(size_t count) : descriptors_(count) {
  for (baton_tensor& descriptor : descriptors_) {
    descriptor = {};
    descriptor.struct_size = sizeof(descriptor);
  }
}

RunOutputs::~RunOutputs() {
  for (const baton_tensor& descriptor : descriptors_) {
    if (descriptor.release != nullptr) descriptor.release(descriptor.release_context);
  }
}

absl::StatusOr<tensor::Tensor> FromAbi(const baton_tensor& descriptor,
                                       std::shared_ptr<const void> owner) {
  const auto dtype = static_cast<tensor::DType>(descriptor.dtype);
  const size_t element = tensor::ByteSize(dtype);
  if (element == 0) {
    return absl::InternalError(base::StrCat("type ", descriptor.dtype, " has no memory layout"));
  }
  if (descriptor.memory != BATON_MEMORY_HOST) {
    return absl::InternalError(base::StrCat("memory kind ", descriptor.memory, " is unknown"));
  }
  if (descriptor.rank > tensor::Shape::kMaxRank) {
    return absl::InternalError(
        base::StrCat("rank ", descriptor.rank, " is above ", tensor::Shape::kMaxRank));
  }
  if (descriptor.rank > 0 && descriptor.dims == nullptr) {
    return absl::InternalError("it has a rank but no dimensions");
  }
  tensor::Shape shape(std::span<const int64_t>(descriptor.dims, descriptor.rank));
  const std::optional<int64_t> count = shape.NumElements();
  uint64_t bytes = 0;
  if (!count || __builtin_mul_overflow(static_cast<uint64_t>(*count), element, &bytes) ||
      bytes > PTRDIFF_MAX) {
    return absl::InternalError(
        base::StrCat("shape ", shape.DebugString(), " is negative or too large"));
  }
  if (bytes != descriptor.bytes) {
    return absl::InternalError(base::StrCat("shape ", shape.DebugString(), " of ",
                                            tensor::Name(dtype), " takes ", bytes, " bytes, not ",
                                            descriptor.bytes));
  }
  if (bytes > 0 && descriptor.data == nullptr) {
    return absl::InternalError("it has elements but no data");
  }
  if (reinterpret_cast<uintptr_t>(descriptor.data) % AlignmentOf(dtype, element) != 0) {
    return absl::InternalError("its data is not aligned to its elements");
  }
  if (dtype == tensor::DType::kString) {
    if (absl::Status strings = CheckStrings(descriptor, *count); !strings.ok()) return strings;
  }
  return tensor::Tensor::FromBuffer(dtype, std::move(shape),
                                    base::Buffer::Wrap(descriptor.data, bytes, std::move(owner)));
}

}  // namespace baton::engine
