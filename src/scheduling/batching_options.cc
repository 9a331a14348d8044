#include "scheduling/batching_options.h"

#include <algorithm>
#include <thread>

#include "base/status_macros.h"
#include "base/strings.h"

namespace baton::scheduling {
namespace {

// More threads than any machine has use for: a larger number is a slip, and making them may fail.
constexpr int64_t kMaxThreads = 1 << 15;

absl::Status CheckPositive(std::string_view name, int64_t value) {
  if (value > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(base::StrCat(name, " must be positive; was ", value));
}

}  // namespace

absl::Status BatchingOptions::Validate() const {
  if (num_batch_threads.has_value()) {
    BATON_RETURN_IF_ERROR(CheckPositive("num_batch_threads", *num_batch_threads));
    if (*num_batch_threads > kMaxThreads) {
      return absl::InvalidArgumentError(base::StrCat("num_batch_threads must not exceed ",
                                                     kMaxThreads, "; was ", *num_batch_threads));
    }
  }
  if (!allowed_batch_sizes.empty() && allowed_batch_sizes.back() != max_batch_size) {
    return absl::InvalidArgumentError(
        base::StrCat("Last entry in allowed_batch_sizes must match max_batch_size; last entry was ",
                     allowed_batch_sizes.back(), "; expected ", max_batch_size));
  }
  BATON_RETURN_IF_ERROR(CheckPositive("input_batch_size_limit", max_batch_size));
  if (batch_timeout_micros < 0) {
    return absl::InvalidArgumentError(
        base::StrCat("batch_timeout_micros must be non-negative; was ", batch_timeout_micros));
  }
  BATON_RETURN_IF_ERROR(CheckPositive("max_enqueued_batches", MaxEnqueuedBatches()));
  if (enable_large_batch_splitting && max_execution_batch_size.has_value()) {
    BATON_RETURN_IF_ERROR(CheckPositive("max_execution_batch_size", *max_execution_batch_size));
    if (max_batch_size < *max_execution_batch_size) {
      return absl::InvalidArgumentError(
          "When enable_large_batch_splitting is true, input_batch_size_limit must be greater than "
          "or equal to max_execution_batch_size.");
    }
  }
  return absl::OkStatus();
}

int64_t BatchingOptions::MaxRowsOfBatch() const {
  if (!enable_large_batch_splitting) return max_batch_size;
  return max_execution_batch_size.value_or(max_batch_size);
}

int64_t BatchingOptions::MaxEnqueuedBatches() const {
  return max_enqueued_batches == 0 && !enable_large_batch_splitting ? 1 : max_enqueued_batches;
}

uint32_t BatchingOptions::Threads() const {
  if (num_batch_threads.has_value()) return static_cast<uint32_t>(*num_batch_threads);
  return std::max(1u, std::thread::hardware_concurrency());
}

int64_t BatchingOptions::RoundUp(int64_t rows) const {
  if (rows == 0) return rows;
  // In the order given, as TensorFlow does; the list need not be sorted.
  const auto size = std::find_if(allowed_batch_sizes.begin(), allowed_batch_sizes.end(),
                                 [rows](int64_t allowed) { return allowed >= rows; });
  return size == allowed_batch_sizes.end() ? rows : *size;
}

}  // namespace baton::scheduling
