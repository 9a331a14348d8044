#include "tensor/shape.h"

#include "absl/strings/str_join.h"
#include "base/strings.h"

namespace baton::tensor {

std::optional<int64_t> Shape::NumElements() const {
  int64_t product = 1;
  bool overflow = false;
  bool zero = false;
  for (int64_t dim : dims_) {
    if (dim < 0) return std::nullopt;
    // [2^40, 2^40, 0] is refused too: TensorFlow's shapes overflow before they see the zero.
    if (dim == 0) zero = true;
    overflow |= __builtin_mul_overflow(product, dim == 0 ? 1 : dim, &product);
  }
  if (overflow) return std::nullopt;
  return zero ? 0 : product;
}

std::string Shape::DebugString() const { return base::StrCat("[", absl::StrJoin(dims_, ","), "]"); }

}  // namespace baton::tensor
