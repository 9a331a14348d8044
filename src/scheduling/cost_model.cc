#include "scheduling/cost_model.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace baton::scheduling {
namespace {

// The weights of TCP's round-trip estimator (RFC 6298), whose problem this is: follow a changing
// mean, and know a bound that is seldom passed, from two numbers.
constexpr int64_t kMeanWeight = 8;
constexpr int64_t kDeviationWeight = 4;
constexpr int64_t kDeviations = 4;

constexpr std::memory_order kRelaxed = std::memory_order_relaxed;

}  // namespace

size_t CostModel::IndexOf(uint32_t signature, uint64_t input_bytes) const {
  const size_t size =
      std::min<size_t>(static_cast<size_t>(std::bit_width(input_bytes)), kSizes - 1);
  return std::min(signature * kSizes + size, buckets_.size());
}

CostModel::Estimate CostModel::Of(uint32_t signature, uint64_t input_bytes) const {
  const size_t index = IndexOf(signature, input_bytes);
  if (index == buckets_.size()) return {};
  const Bucket& bucket = buckets_[index];
  const int64_t mean = bucket.mean_nanos.load(kRelaxed);
  const int64_t deviation = bucket.deviation_nanos.load(kRelaxed);
  return {bucket.samples.load(kRelaxed), absl::Nanoseconds(mean),
          absl::Nanoseconds(mean + kDeviations * deviation)};
}

void CostModel::Observe(uint32_t signature, uint64_t input_bytes, absl::Duration run_time) {
  const size_t index = IndexOf(signature, input_bytes);
  if (index == buckets_.size()) return;
  Bucket& bucket = buckets_[index];
  // A clock may step back; a day is as good as for ever and keeps the sums far from overflow.
  const int64_t sample = std::clamp<int64_t>(absl::ToInt64Nanoseconds(run_time), 0,
                                             absl::ToInt64Nanoseconds(absl::Hours(24)));
  const uint32_t seen = bucket.samples.load(kRelaxed);
  if (seen <= 1) {
    // The first run pays for what the engine does lazily: it is forgotten when the second comes.
    bucket.mean_nanos.store(sample, kRelaxed);
    bucket.deviation_nanos.store(sample / 2, kRelaxed);
  } else {
    const int64_t mean = bucket.mean_nanos.load(kRelaxed);
    const int64_t deviation = bucket.deviation_nanos.load(kRelaxed);
    const int64_t error = sample - mean;
    bucket.mean_nanos.store(mean + error / kMeanWeight, kRelaxed);
    bucket.deviation_nanos.store(
        deviation + ((error < 0 ? -error : error) - deviation) / kDeviationWeight, kRelaxed);
  }
  if (seen != std::numeric_limits<uint32_t>::max()) bucket.samples.store(seen + 1, kRelaxed);
}

}  // namespace baton::scheduling
