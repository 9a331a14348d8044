#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"

namespace baton::scheduling {

// What runs of one model cost, learned from the runs: per signature and per power of two of the
// input bytes.
//
// Threads: thread-safe and lock-free. Invariants: (1) the fields of a bucket are read and written
// one by one, relaxed: a reader may see one sample in one field and not yet in another, and of two
// samples at the same moment one may be lost; both only make the estimate a sample older. (2)
// `samples` never goes back to 0. Owner: SchedulingPredictor. Errors: none; unknown signatures have
// no estimate.
class CostModel {
 public:
  explicit CostModel(size_t signatures) : buckets_(signatures * kSizes) {}

  struct Estimate {
    uint32_t samples = 0;
    absl::Duration mean;   // exponentially weighted
    absl::Duration upper;  // what nearly every run stays below: mean + 4 mean deviations
  };
  Estimate Of(uint32_t signature, uint64_t input_bytes) const;
  void Observe(uint32_t signature, uint64_t input_bytes, absl::Duration run_time);

 private:
  static constexpr size_t kSizes = 40;  // the last takes everything from 2^38 bytes on
  struct Bucket {
    std::atomic<uint32_t> samples{0};
    std::atomic<int64_t> mean_nanos{0};
    std::atomic<int64_t> deviation_nanos{0};
  };

  // Its index, or buckets_.size() when there is none.
  size_t IndexOf(uint32_t signature, uint64_t input_bytes) const;

  std::vector<Bucket> buckets_;
};

}  // namespace baton::scheduling
