#include "metrics/metric.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace baton::metrics {
namespace {

constexpr size_t kCountsPerLine = 64 / sizeof(int64_t);

// One cache line more than needed between rows: a vector's memory is not aligned to cache lines.
size_t Stride(size_t buckets) {
  return (buckets + kCountsPerLine - 1) / kCountsPerLine * kCountsPerLine + kCountsPerLine;
}

}  // namespace

size_t StripeOfThread() {
  static std::atomic<size_t> next{0};
  thread_local const size_t mine = next.fetch_add(1, std::memory_order_relaxed) % kStripes;
  return mine;
}

int64_t Counter::Value() const {
  int64_t sum = 0;
  for (const Cell& cell : cells_) sum += cell.value.load(std::memory_order_relaxed);
  return sum;
}

Histogram::Histogram(const std::vector<double>& bounds)
    : bounds_(bounds), stride_(Stride(bounds.size() + 1)), counts_(kStripes * stride_) {
  BATON_CHECK(std::is_sorted(bounds_.begin(), bounds_.end()));
}

void Histogram::Observe(double value) {
  if (std::isnan(value)) return;  // would poison the sum for ever
  const size_t bucket = static_cast<size_t>(
      std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin());
  const size_t stripe = StripeOfThread();
  counts_[stripe * stride_ + bucket].fetch_add(1, std::memory_order_relaxed);
  sums_[stripe].value.fetch_add(value, std::memory_order_relaxed);
}

Histogram::Snapshot Histogram::Read() const {
  Snapshot out;
  out.bounds = bounds_;
  out.counts.resize(bounds_.size() + 1);
  for (size_t stripe = 0; stripe < kStripes; ++stripe) {
    for (size_t bucket = 0; bucket < out.counts.size(); ++bucket) {
      const int64_t n = counts_[stripe * stride_ + bucket].load(std::memory_order_relaxed);
      out.counts[bucket] += n;
      out.count += n;  // of the same reads, so that the buckets always add up to the count
    }
    out.sum += sums_[stripe].value.load(std::memory_order_relaxed);
  }
  return out;
}

double Histogram::Snapshot::Quantile(double q) const {
  if (count == 0) return 0;
  const double rank = q * static_cast<double>(count);
  double below = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    const double here = static_cast<double>(counts[i]);
    if (here == 0 || below + here < rank) {
      below += here;
      continue;
    }
    if (i == bounds.size()) break;  // beyond the last bound nothing is known
    const double low = i == 0 ? std::min(0.0, bounds[0]) : bounds[i - 1];
    return low + (bounds[i] - low) * (rank - below) / here;
  }
  return bounds.empty() ? 0 : bounds.back();
}

}  // namespace baton::metrics
