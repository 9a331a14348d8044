#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tensor/tensor.h"

namespace baton::scheduling {

// Makes one tensor of many and parts of one. Rows are what dimension 0 counts; every tensor here
// has that dimension. Pure; strings are handled as views whose bytes are kept alive.

// A view. REQUIRES: 0 <= first, 0 <= rows, first + rows <= dim 0.
tensor::Tensor RowsOf(const tensor::Tensor& whole, int64_t first, int64_t rows);

struct MergeOptions {
  std::string_view name = {};  // of the engine's tensor, for messages
  // Rows of the result. More than the parts have: copies of the first row of the last part that has
  // one. REQUIRES: not fewer, and not more when no part has any.
  int64_t rows = 0;
  // Raise the other dimensions to the largest of all parts, with copies of the part's own first
  // element.
  bool pad_dims = false;
  // Bound on the result if anything is padded.
  uint64_t max_padded_bytes = uint64_t{2} << 30;
};

// The rows of all parts, one after the other. Errors: kFailedPrecondition when the parts do not fit
// together, kInvalidArgument when one of them cannot be padded, kResourceExhausted.
// REQUIRES: !parts.empty(); each part passes CheckCanPad if pad_dims.
absl::StatusOr<tensor::Tensor> MergeRows(std::span<const tensor::Tensor* const> parts,
                                         const MergeOptions& options);

// Whether dimensions of such a tensor can be padded: kInvalidArgument in TensorFlow's words.
absl::Status CheckCanPad(const tensor::Tensor& part);

}  // namespace baton::scheduling
