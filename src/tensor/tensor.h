#pragma once

#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/buffer.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace baton::tensor {

// A value in the middle of the server: dtype, shape and shared bytes. Elements lie dense,
// row-major, little-endian; a string tensor's buffer is an array of StringRef whose targets the
// buffer's owner keeps alive.
//
// Invariant: buffer().size() == num_elements() * ByteSize(dtype()).
// Threads: immutable once shared. Owner: whoever holds a copy; copying shares the bytes. Errors:
// the factories refuse shapes that overflow and types without a host layout.
class Tensor {
 public:
  Tensor() = default;

  // Memory for every element, not initialised; string elements are empty views.
  static absl::StatusOr<Tensor> Allocate(DType dtype, Shape shape);
  // Elements that already lie somewhere. REQUIRES: the invariant.
  static Tensor FromBuffer(DType dtype, Shape shape, base::Buffer buffer);
  // A string tensor that copies its elements into one block. REQUIRES: shape holds strings.size()
  // elements.
  static Tensor FromStrings(Shape shape, std::span<const std::string_view> strings);

  template <typename T>
  static Tensor FromValues(DType dtype, Shape shape, std::span<const T> values) {
    base::Buffer buffer = base::Buffer::Allocate(values.size_bytes());
    if (!values.empty()) std::memcpy(buffer.mutable_data(), values.data(), values.size_bytes());
    return FromBuffer(dtype, std::move(shape), std::move(buffer));
  }

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t num_elements() const { return num_elements_; }
  const base::Buffer& buffer() const { return buffer_; }
  std::string_view bytes() const { return buffer_.view(); }

  // REQUIRES: sizeof(T) == ByteSize(dtype()).
  template <typename T>
  std::span<const T> values() const {
    return {reinterpret_cast<const T*>(buffer_.data()), static_cast<size_t>(num_elements_)};
  }
  template <typename T>
  std::span<T> mutable_values() {
    return {reinterpret_cast<T*>(buffer_.mutable_data()), static_cast<size_t>(num_elements_)};
  }
  std::span<const StringRef> strings() const { return values<StringRef>(); }

 private:
  DType dtype_ = DType::kInvalid;
  Shape shape_;
  int64_t num_elements_ = 0;
  base::Buffer buffer_;
};

}  // namespace baton::tensor
