#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "metrics/metric.h"

namespace baton::metrics {

using Labels = std::vector<std::pair<std::string, std::string>>;

// Every metric of the process, by family and labels. Cells are looked up once (when a version is loaded, when a
// connection type is set up) and then used without the registry.
//
// Threads: thread-safe. Owner: server/; everyone else borrows. Cells live as long as the registry.
// Errors: asking for a family with another type or other label names than before is a broken invariant.
class Registry {
 public:
  Counter& GetCounter(std::string_view family, std::string_view help, const Labels& labels);
  Gauge& GetGauge(std::string_view family, std::string_view help, const Labels& labels);
  // `bounds` are those of the family's first call.
  Histogram& GetHistogram(std::string_view family, std::string_view help, const Labels& labels,
                          const std::vector<double>& bounds);
  // A gauge computed when somebody looks. `read` must be thread-safe and fast.
  void AddCallback(std::string_view family, std::string_view help, const Labels& labels,
                   std::function<double()> read);
  // Forgets a cell, so that a retired version's series end. Cells given out before stay valid.
  void Remove(std::string_view family, const Labels& labels);

  // The Prometheus text exposition format, families sorted by name, cells by labels.
  std::string PrometheusText() const;

 private:
  struct Family;
  Family& GetFamily(std::string_view name, std::string_view help, int type) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable base::Mutex mutex_;
  std::map<std::string, std::unique_ptr<Family>, std::less<>> families_ ABSL_GUARDED_BY(mutex_);
  // Removed cells: somebody may still hold a reference.
  std::vector<std::shared_ptr<void>> retired_ ABSL_GUARDED_BY(mutex_);

 public:
  Registry();
  ~Registry();
};

}  // namespace baton::metrics
