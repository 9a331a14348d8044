#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lifecycle/state_monitor.h"
#include "predict/model_spec.h"

namespace baton::service {

// Status of versions: what GetModelStatus over gRPC and GET /v1/models/... ask. Labels are ignored,
// as in TFS.
//
// Threads: thread-safe. Owner: server/. Errors: contract §3.8.
class ModelService {
 public:
  explicit ModelService(const lifecycle::StateMonitor* monitor) : monitor_(monitor) {}

  absl::StatusOr<std::vector<lifecycle::VersionStatus>> Status(
      const predict::ModelSpec& spec) const;

 private:
  const lifecycle::StateMonitor* monitor_;
};

// Whether this process should get traffic. Ready from the end of start-up until the drain begins.
//
// Threads: ready() is thread-safe; SetReady is called by one thread at a time. Owner: server/.
// Errors: none.
class Health {
 public:
  bool ready() const { return ready_.load(std::memory_order_acquire); }
  // Tells the listeners when it changes something.
  void SetReady(bool ready);
  // `listener` runs on the thread that changes the state. REQUIRES: before the first SetReady.
  void AddListener(absl::AnyInvocable<void(bool)> listener);

 private:
  std::atomic<bool> ready_{false};
  std::vector<absl::AnyInvocable<void(bool)>> listeners_;
};

}  // namespace baton::service
