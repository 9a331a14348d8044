#include "scheduling/batch_assembly.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "base/strings.h"

namespace baton::scheduling {
namespace {

using tensor::Shape;
using tensor::Tensor;

constexpr size_t kMaxPaddedRank = 6;

// Continues dst[0, filled) periodically up to dst[0, bytes). REQUIRES: filled > 0.
void Repeat(char* dst, size_t filled, size_t bytes) {
  while (filled < bytes) {
    const size_t n = std::min(filled, bytes - filled);
    std::memcpy(dst + filled, dst, n);
    filled += n;
  }
}

size_t RowBytes(const Tensor& tensor) {
  return tensor.shape().dim(0) == 0
             ? 0
             : tensor.buffer().size() / static_cast<size_t>(tensor.shape().dim(0));
}

bool SameInner(const Shape& a, const Shape& b) {
  return std::equal(a.dims().begin() + 1, a.dims().end(), b.dims().begin() + 1, b.dims().end());
}

// The part's elements at their places in a block whose dimensions beyond 0 are `target`'s, the rest
// filled with its first element. REQUIRES: the part has elements.
void CopyPadded(const Tensor& part, const Shape& target, size_t block_bytes, char* dst) {
  const size_t element = tensor::ByteSize(part.dtype());
  std::memcpy(dst, part.buffer().data(), element);
  Repeat(dst, element, block_bytes);

  // Dimensions that need no padding at the end make up one run of bytes with the last that does.
  size_t runs_rank = part.shape().rank();
  size_t run = element;
  size_t stride = element;  // of a run in dst
  while (runs_rank > 1 && run == stride) {
    --runs_rank;
    run *= static_cast<size_t>(part.shape().dim(runs_rank));
    stride *= static_cast<size_t>(target.dim(runs_rank));
  }
  std::vector<int64_t> index(runs_rank, 0);
  std::vector<size_t> strides(runs_rank, stride);
  for (size_t d = runs_rank - 1; d > 0; --d) {
    strides[d - 1] = strides[d] * static_cast<size_t>(target.dim(d));
  }
  for (size_t from = 0; from < part.buffer().size(); from += run) {
    size_t to = 0;
    for (size_t d = 0; d < runs_rank; ++d) to += static_cast<size_t>(index[d]) * strides[d];
    std::memcpy(dst + to, part.buffer().data() + from, run);
    for (size_t d = runs_rank; d-- > 0;) {
      if (++index[d] < part.shape().dim(d)) break;
      index[d] = 0;
    }
  }
}

// What all parts become, with options.rows rows.
absl::StatusOr<Shape> MergedShape(std::span<const Tensor* const> parts,
                                  const MergeOptions& options) {
  const Tensor& first = *parts.front();
  std::vector<int64_t> dims(first.shape().dims().begin(), first.shape().dims().end());
  dims[0] = options.rows;
  for (const Tensor* part : parts.subspan(1)) {
    if (part->dtype() != first.dtype()) {
      return absl::FailedPreconditionError(base::StrCat(
          "Tensors with name '", options.name, "' from different tasks have different types: ",
          tensor::Name(first.dtype()), " and ", tensor::Name(part->dtype())));
    }
    if (!options.pad_dims && !SameInner(part->shape(), first.shape())) {
      return absl::FailedPreconditionError(base::StrCat(
          "Tensors with name '", options.name,
          "' from different tasks have different shapes and padding is turned off. Set "
          "pad_variable_length_inputs to true, or ensure that all tensors with the same name have "
          "equal dimensions starting with the first dim."));
    }
    if (part->shape().rank() != dims.size()) {
      return absl::FailedPreconditionError(
          base::StrCat("Tensors with name '", options.name,
                       "' from different tasks have different numbers of dimensions: ", dims.size(),
                       " and ", part->shape().rank()));
    }
    for (size_t d = 1; d < dims.size(); ++d) dims[d] = std::max(dims[d], part->shape().dim(d));
  }
  return Shape(dims);
}

// Memory for the merged elements. Strings stay where they are: the block keeps all parts alive.
base::Buffer NewBlock(std::span<const Tensor* const> parts, size_t bytes) {
  base::Buffer block = base::Buffer::Allocate(bytes);
  if (parts.front()->dtype() != tensor::DType::kString) return block;
  auto owners = std::make_shared<std::vector<std::shared_ptr<const void>>>();
  owners->reserve(parts.size() + 1);
  for (const Tensor* part : parts) owners->push_back(part->buffer().owner());
  owners->push_back(block.owner());
  return base::Buffer::Wrap(block.data(), bytes, std::move(owners));
}

}  // namespace

Tensor RowsOf(const Tensor& whole, int64_t first, int64_t rows) {
  std::vector<int64_t> dims(whole.shape().dims().begin(), whole.shape().dims().end());
  dims[0] = rows;
  const size_t row_bytes = RowBytes(whole);
  return Tensor::FromBuffer(whole.dtype(), Shape(dims),
                            whole.buffer().Slice(static_cast<size_t>(first) * row_bytes,
                                                 static_cast<size_t>(rows) * row_bytes));
}

absl::Status CheckCanPad(const Tensor& part) {
  if (part.dtype() > tensor::DType::kUint64) return absl::InvalidArgumentError("Unsupported type");
  if (part.shape().rank() < 1 || part.shape().rank() > kMaxPaddedRank) {
    return absl::InvalidArgumentError("Only tensors with rank from 1 to 6 can be padded.");
  }
  return absl::OkStatus();
}

absl::StatusOr<Tensor> MergeRows(std::span<const Tensor* const> parts,
                                 const MergeOptions& options) {
  BATON_ASSIGN_OR_RETURN(Shape shape, MergedShape(parts, options));
  const tensor::DType dtype = parts.front()->dtype();
  uint64_t part_bytes = 0;
  for (const Tensor* part : parts) part_bytes += part->buffer().size();
  const std::optional<int64_t> elements = shape.NumElements();
  uint64_t bytes = 0;
  if (!elements ||
      __builtin_mul_overflow(static_cast<uint64_t>(*elements), tensor::ByteSize(dtype), &bytes) ||
      (bytes > part_bytes && bytes > options.max_padded_bytes)) {
    return absl::ResourceExhaustedError(base::StrCat(
        "tensor '", options.name, "': the padded batch would have shape ", shape.DebugString(),
        " and take more than ", options.max_padded_bytes, " bytes"));
  }

  base::Buffer block = NewBlock(parts, bytes);
  const size_t row_bytes = options.rows == 0 ? 0 : bytes / static_cast<size_t>(options.rows);
  char* const begin = block.mutable_data();
  char* at = begin;
  const char* last_row = begin;  // first row of the last part that has rows
  for (const Tensor* part : parts) {
    const size_t size = row_bytes * static_cast<size_t>(part->shape().dim(0));
    if (part->shape().dim(0) > 0) last_row = at;
    if (size == 0) continue;
    if (SameInner(part->shape(), shape)) {
      std::memcpy(at, part->buffer().data(), size);
    } else if (part->num_elements() == 0) {
      return absl::InvalidArgumentError("Got empty tensor in batch of non-empty tensors.");
    } else {
      CopyPadded(*part, shape, size, at);
    }
    at += size;
  }
  if (const size_t missing = bytes - static_cast<size_t>(at - begin); missing > 0) {
    std::memcpy(at, last_row, row_bytes);
    Repeat(at, row_bytes, missing);
  }
  return Tensor::FromBuffer(dtype, std::move(shape), std::move(block));
}

}  // namespace baton::scheduling
