#include "tensor/tensor.h"

#include <memory>

#include "base/check.h"
#include "base/strings.h"

namespace baton::tensor {

absl::StatusOr<Tensor> Tensor::Allocate(DType dtype, Shape shape) {
  const size_t element = ByteSize(dtype);
  if (element == 0) {
    return absl::InvalidArgumentError(base::StrCat("no memory layout for type ", Name(dtype)));
  }
  const std::optional<int64_t> count = shape.NumElements();
  int64_t bytes = 0;
  if (!count || __builtin_mul_overflow(*count, static_cast<int64_t>(element), &bytes)) {
    return absl::InvalidArgumentError(
        base::StrCat("shape ", shape.DebugString(), " is negative or too large"));
  }
  base::Buffer buffer = base::Buffer::Allocate(static_cast<size_t>(bytes));
  if (dtype == DType::kString && bytes > 0) {
    std::memset(buffer.mutable_data(), 0, static_cast<size_t>(bytes));
  }
  return FromBuffer(dtype, std::move(shape), std::move(buffer));
}

Tensor Tensor::FromBuffer(DType dtype, Shape shape, base::Buffer buffer) {
  Tensor tensor;
  tensor.dtype_ = dtype;
  tensor.num_elements_ = shape.NumElements().value_or(0);
  tensor.shape_ = std::move(shape);
  BATON_CHECK(buffer.size() == static_cast<size_t>(tensor.num_elements_) * ByteSize(dtype));
  tensor.buffer_ = std::move(buffer);
  return tensor;
}

Tensor Tensor::FromStrings(Shape shape, std::span<const std::string_view> strings) {
  size_t text = 0;
  for (std::string_view s : strings) text += s.size();
  const size_t refs = strings.size() * sizeof(StringRef);
  // One block: the views first, their bytes behind them.
  base::Buffer block = base::Buffer::Allocate(refs + text);
  auto* ref = reinterpret_cast<StringRef*>(block.mutable_data());
  char* at = block.mutable_data() + refs;
  for (std::string_view s : strings) {
    if (!s.empty()) std::memcpy(at, s.data(), s.size());
    *ref++ = {at, s.size()};
    at += s.size();
  }
  return FromBuffer(DType::kString, std::move(shape), block.Slice(0, refs));
}

}  // namespace baton::tensor
