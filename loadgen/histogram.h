#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace baton::loadgen {

// Counts of durations in log-linear buckets: exact below 256 ns, within 1/128 above, up to
// centuries.
//
// Threads: thread-compatible; each worker fills its own, Add merges them. Errors: none.
class Histogram {
 public:
  void Record(uint64_t nanos);
  void Add(const Histogram& other);

  uint64_t count() const { return count_; }
  uint64_t max() const { return max_; }
  double Mean() const;
  // The duration that `quantile` (0 to 1) of all do not exceed; 0 when empty.
  uint64_t Quantile(double quantile) const;

 private:
  static constexpr int kBits = 7;  // of precision below the leading one
  static constexpr size_t kBuckets = (64 - kBits + 1) << kBits;

  static size_t BucketOf(uint64_t nanos);
  static uint64_t HighestOf(size_t bucket);

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t sum_ = 0;
  uint64_t max_ = 0;
};

}  // namespace baton::loadgen
