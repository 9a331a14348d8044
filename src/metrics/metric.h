#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace baton::metrics {

inline constexpr size_t kStripes = 8;
size_t StripeOfThread();

// Only ever grows. Add is one relaxed add on the thread's own cache line.
// Threads: thread-safe. Owner: its Family, for the life of the process.
class Counter {
 public:
  void Add(int64_t n = 1) {
    cells_[StripeOfThread()].value.fetch_add(n, std::memory_order_relaxed);
  }
  int64_t Value() const;

 private:
  struct alignas(64) Cell {
    std::atomic<int64_t> value{0};
  };
  std::array<Cell, kStripes> cells_;
};

// A value that is set. Threads: thread-safe.
class Gauge {
 public:
  void Set(double value) { value_.store(value, std::memory_order_relaxed); }
  double Value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// Samples counted in fixed buckets. A sample equal to a bound belongs to that bound's bucket
// (Prometheus "le"). Threads: thread-safe; Observe is two relaxed adds on the thread's own stripe
// plus a search over the bounds.
class Histogram {
 public:
  // REQUIRES: bounds ascending.
  explicit Histogram(const std::vector<double>& bounds);
  void Observe(double value);

  struct Snapshot {
    std::vector<double> bounds;
    std::vector<int64_t> counts;  // per bucket, not cumulative; one more than bounds (+Inf)
    int64_t count = 0;
    double sum = 0;
    // Linear interpolation inside the bucket; 0 without samples. REQUIRES: 0 <= q <= 1.
    double Quantile(double q) const;
  };
  Snapshot Read() const;

 private:
  const std::vector<double> bounds_;
  const size_t stride_;
  std::vector<std::atomic<int64_t>> counts_;  // kStripes rows of stride_
  struct alignas(64) Sum {
    std::atomic<double> value{0};
  };
  std::array<Sum, kStripes> sums_;
};

}  // namespace baton::metrics
