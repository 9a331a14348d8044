#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "metrics/metric.h"

namespace baton::metrics {

using Labels = std::vector<std::pair<std::string, std::string>>;

enum class CallbackType { kGauge, kCounter };

// Every metric of the process, by family and labels. Cells are looked up once (when a version is
// loaded, when a connection type is set up) and then used without the registry.
//
// Threads: thread-safe. Owner: server/; everyone else borrows. Cells given out by reference live as
// long as the registry, shared ones as long as somebody holds them. Errors: asking for a family
// with another type or other label names than before is a broken invariant.
class Registry {
 public:
  Registry();
  ~Registry();

  Counter& GetCounter(std::string_view family, std::string_view help, const Labels& labels);
  Gauge& GetGauge(std::string_view family, std::string_view help, const Labels& labels);
  // `bounds` are those of the family's first call.
  Histogram& GetHistogram(std::string_view family, std::string_view help, const Labels& labels,
                          const std::vector<double>& bounds);

  // The same cells for series that come and go: after Remove their memory ends with the last
  // holder.
  std::shared_ptr<Counter> ShareCounter(std::string_view family, std::string_view help,
                                        const Labels& labels);
  std::shared_ptr<Gauge> ShareGauge(std::string_view family, std::string_view help,
                                    const Labels& labels);
  std::shared_ptr<Histogram> ShareHistogram(std::string_view family, std::string_view help,
                                            const Labels& labels,
                                            const std::vector<double>& bounds);

  // A value computed when somebody looks. `read` must be thread-safe and fast; it runs without the
  // registry's lock. Replaces a callback with the same labels.
  void AddCallback(std::string_view family, std::string_view help, const Labels& labels,
                   std::function<double()> read, CallbackType type = CallbackType::kGauge);

  // Forgets a cell, so that a retired version's series end. Cells given out before stay valid.
  void Remove(std::string_view family, const Labels& labels);

  // The Prometheus text exposition format (version 0.0.4), families sorted by name, cells by
  // labels.
  std::string PrometheusText() const;

 private:
  struct Cell;
  struct Family;
  enum class Type { kCounter, kGauge, kHistogram };

  Family& GetFamily(std::string_view name, std::string_view help, Type type, const Labels& labels)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Cell& GetCell(Family& family, const Labels& labels) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Cell& CounterCell(std::string_view family, std::string_view help, const Labels& labels)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Cell& GaugeCell(std::string_view family, std::string_view help, const Labels& labels)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Cell& HistogramCell(std::string_view family, std::string_view help, const Labels& labels,
                      const std::vector<double>& bounds) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable base::Mutex mutex_;
  std::map<std::string, std::unique_ptr<Family>, std::less<>> families_ ABSL_GUARDED_BY(mutex_);
  // Removed cells to which somebody may still hold a reference.
  std::vector<std::shared_ptr<Cell>> retired_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton::metrics
