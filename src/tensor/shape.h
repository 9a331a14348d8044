#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"

namespace baton::tensor {

// The dimensions of a tensor that exists. A value.
class Shape {
 public:
  static constexpr size_t kMaxRank = 254;  // TensorFlow's limit

  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) : dims_(dims) {}
  explicit Shape(std::span<const int64_t> dims) : dims_(dims.begin(), dims.end()) {}

  size_t rank() const { return dims_.size(); }
  int64_t dim(size_t i) const { return dims_[i]; }
  std::span<const int64_t> dims() const { return dims_; }
  void Append(int64_t dim) { dims_.push_back(dim); }
  void Prepend(int64_t dim) { dims_.insert(dims_.begin(), dim); }

  // Product of the dimensions (1 without any); nullopt when one is negative or the product does not
  // fit int64.
  std::optional<int64_t> NumElements() const;

  // "[2,3]", "[]" for a scalar.
  std::string DebugString() const;

  bool operator==(const Shape& other) const { return dims_ == other.dims_; }

 private:
  absl::InlinedVector<int64_t, 4> dims_;
};

// What a signature declares: -1 is an unknown dimension; the rank itself may be unknown.
struct PartialShape {
  bool unknown_rank = false;
  std::vector<int64_t> dims;
  bool operator==(const PartialShape&) const = default;
};

}  // namespace baton::tensor
