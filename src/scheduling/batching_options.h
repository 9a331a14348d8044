#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace baton::scheduling {

// What TensorFlow Serving's BatchingParameters say (contract §6.2), with its defaults. A value;
// filled by the codec of text protos. The thread fields count once per process, the others for
// every model, or for one version when it brings its own file.
struct BatchingOptions {
  int64_t max_batch_size = 1000;  // rows; of a request, and of a batch without splitting
  int64_t batch_timeout_micros = 0;
  int64_t max_enqueued_batches = 10;
  std::optional<int64_t> num_batch_threads = {};  // unset: one per CPU
  std::string thread_pool_name = "batch_threads";
  std::vector<int64_t> allowed_batch_sizes = {};  // empty: any
  bool pad_variable_length_inputs = false;
  bool enable_large_batch_splitting = false;
  std::optional<int64_t> max_execution_batch_size = {};  // with splitting; unset: max_batch_size

  // kInvalidArgument in TensorFlow's words for what no queue or thread pool can be made of; the
  // real server crashes on most of these.
  absl::Status Validate() const;

  // Most rows that one run may get. REQUIRES of this and the rest: Validate() is OK.
  int64_t MaxRowsOfBatch() const;
  // 0 counts as 1 unless requests are split, as in TensorFlow.
  int64_t MaxEnqueuedBatches() const;
  uint32_t Threads() const;
  // `rows` raised to the next allowed size; as it is when none is large enough, and for no rows,
  // because there is none to make copies of.
  int64_t RoundUp(int64_t rows) const;
};

}  // namespace baton::scheduling
