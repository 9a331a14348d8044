#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "base/mutex.h"
#include "lifecycle/state_monitor.h"
#include "metrics/registry.h"
#include "service/request_metrics.h"

namespace baton::service {

// Shows the state of every version as baton_model_state{model,version}, with GetModelStatus's
// numbers. A server that swaps versions for months keeps the series of the last kKeptVersions ended
// versions of each model; those of older ones end, and their request series with them.
//
// Threads: thread-safe. Owner: server/; borrows everything, and must outlive the monitor's last
// Update. Errors: none.
class ModelMetrics {
 public:
  static constexpr size_t kKeptVersions = 16;

  // REQUIRES: before the monitor's first Update. `requests` may be null.
  ModelMetrics(metrics::Registry* registry, lifecycle::StateMonitor* monitor,
               RequestMetrics* requests = nullptr);
  ModelMetrics(const ModelMetrics&) = delete;
  ModelMetrics& operator=(const ModelMetrics&) = delete;

 private:
  void OnState(const lifecycle::ServableId& id, lifecycle::VersionState state);

  metrics::Registry* const registry_;
  RequestMetrics* const requests_;
  base::Mutex mutex_;
  // Ended versions by model, in the order in which they ended.
  std::map<std::string, std::deque<int64_t>> ended_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton::service
