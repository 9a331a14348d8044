#include "loadgen/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace baton::loadgen {

size_t Histogram::BucketOf(uint64_t nanos) {
  constexpr uint64_t kLinear = uint64_t{1} << (kBits + 1);
  if (nanos < kLinear) {
    return nanos;
  }
  const int shift = static_cast<int>(std::bit_width(nanos)) - kBits - 1;
  return (static_cast<size_t>(shift) << kBits) + (nanos >> shift);
}

uint64_t Histogram::HighestOf(size_t bucket) {
  constexpr size_t kLinear = size_t{1} << (kBits + 1);
  if (bucket < kLinear) {
    return bucket;
  }
  const size_t shift = (bucket >> kBits) - 1;
  const uint64_t top = bucket - (shift << kBits);
  return ((top + 1) << shift) - 1;
}

void Histogram::Record(uint64_t nanos) {
  ++buckets_[BucketOf(nanos)];
  ++count_;
  sum_ += nanos;
  max_ = std::max(max_, nanos);
}

void Histogram::Add(const Histogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) {
    buckets_[i] += other.buckets_[i];
  }
  count_ += other.count_;
  sum_ += other.sum_;
  max_ = std::max(max_, other.max_);
}

double Histogram::Mean() const {
  return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
}

uint64_t Histogram::Quantile(double quantile) const {
  if (count_ == 0) {
    return 0;
  }
  const double share = std::ceil(quantile * static_cast<double>(count_));
  const uint64_t wanted = std::clamp<uint64_t>(static_cast<uint64_t>(share), 1, count_);
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= wanted) {
      return std::min(HighestOf(i), max_);
    }
  }
  return max_;
}

}  // namespace baton::loadgen
