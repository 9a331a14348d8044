#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/hot_swap.h"
#include "lifecycle/servable_id.h"
#include "metrics/registry.h"

namespace baton::service {

// Which door a request came through; label values "grpc" and "rest".
enum class Entrypoint { kGrpc, kRest };

// Counts and times every answered request, by model, version, signature, method, entry point and status. Cells are
// found once per combination and then cached per thread, so recording takes no lock on the hot path. Names that no
// servable has are counted under model="" so that clients cannot create series.
//
// Threads: thread-safe. Owner: server/.
class RequestMetrics {
 public:
  explicit RequestMetrics(metrics::Registry* registry);

  struct Sample {
    std::string_view model;      // empty when the request found none
    int64_t version = 0;         // of the servable; ignored when model is empty
    std::string_view signature;  // empty where there is none
    std::string_view method;     // "Predict", "GetModelStatus"
    Entrypoint entrypoint = Entrypoint::kGrpc;
    absl::StatusCode code = absl::StatusCode::kOk;
    absl::Duration latency;
  };
  void Record(const Sample& sample);

 private:
  metrics::Registry* registry_;
};

}  // namespace baton::service
