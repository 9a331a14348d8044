#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "metrics/registry.h"
#include "metrics/serving_metrics.h"

namespace baton::service {

// Which door a request came through; label values "grpc" and "rest".
enum class Entrypoint { kGrpc, kRest };

// Counts and times every answered request, by model, version, signature, method, entry point and
// status: baton_requests_total and baton_request_duration_seconds. Cells are found once per
// combination and then cached per thread, so recording takes no lock and allocates nothing on the
// hot path. Names that no servable has are counted under model="" so that clients cannot create
// series; the caller passes only signatures that the model has. The same samples also feed
// TensorFlow Serving's request_count, request_latency and runtime_latency (contract §8.3), by its
// rules.
//
// Threads: thread-safe. Invariant: a thread uses cached cells only while its epoch is epoch_, which
// every Forget changes. Owner: server/; borrows both registries; `serving` may be null.
// Errors: none.
class RequestMetrics {
 public:
  explicit RequestMetrics(metrics::Registry* registry, metrics::ServingMetrics* serving = nullptr);

  struct Sample {
    std::string_view model = {};      // empty when the request found none
    int64_t version = 0;              // of the servable; ignored when model is empty
    std::string_view signature = {};  // empty where there is none
    std::string_view method = {};     // "Predict", "GetModelStatus"
    Entrypoint entrypoint = Entrypoint::kGrpc;
    absl::StatusCode code = absl::StatusCode::kOk;
    absl::Duration latency = {};
    std::string_view requested_model = {};  // the name the client used, served or not
    // Time in the model, its queue included; infinite when nothing ran.
    absl::Duration run_latency = absl::InfiniteDuration();
  };
  void Record(const Sample& sample);

  // Ends the series of a version that is long gone. Not for hot paths: every thread looks its cells
  // up anew.
  void Forget(std::string_view model, int64_t version);

 private:
  struct Cells;
  struct ThreadCache;

  Cells FindCells(const Sample& sample) ABSL_LOCKS_EXCLUDED(mutex_);
  void CountUnserved(const Sample& sample);

  metrics::Registry* const registry_;
  metrics::ServingMetrics* const serving_;
  std::atomic<uint64_t> epoch_;  // no two epochs of the process are the same
  base::Mutex mutex_;
  // What was registered for a version: families and labels.
  std::map<std::pair<std::string, int64_t>, std::set<std::pair<std::string_view, metrics::Labels>>>
      series_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton::service
