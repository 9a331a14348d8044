#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/executor.h"
#include "lifecycle/desired.h"
#include "lifecycle/servable.h"
#include "lifecycle/servable_registry.h"
#include "lifecycle/state_monitor.h"
#include "lifecycle/transition_policy.h"

namespace baton::lifecycle {

// Makes observed equal desired: loads what should serve, retires what should not, and publishes the
// result. All state lives on one loop thread; loads run on `load_executor`, destruction on
// `reaper`, both report back as events.
//
// Threads: thread-safe façade over a single writer. Owner: server/. Errors: none to callers; every
// version's fate is in the StateMonitor.
class ServableManager {
 public:
  using Options = LoadOptions;

  // Everything is borrowed and outlives the manager; the executors also every ServableHandle.
  ServableManager(Options options, ServableFactory* factory, ServableRegistry* registry,
                  StateMonitor* monitor, base::Executor* load_executor, base::Executor* reaper);
  ~ServableManager();  // Stop()

  // Replaces what `name` should serve; an empty list retires the model.
  void SetDesired(const std::string& name, std::vector<DesiredVersion> versions);

  // label -> version, by model.
  using Labels = std::map<std::string, std::map<std::string, int64_t>>;

  // Replaces every label of every model in one publication, or none. Checks and their errors:
  // contract §5.8; `allow_unavailable` is --allow_version_labels_for_unavailable_models. Waits for
  // the loop thread: not to be called from a StateMonitor listener. kCancelled when stopped.
  absl::Status SetLabels(Labels labels, bool allow_unavailable);
  // Whether SetLabels would succeed now.
  absl::Status CheckLabels(Labels labels, bool allow_unavailable);

  // Retires everything, waits until nothing is loaded or `deadline` has passed, and ends the loop:
  // later calls do nothing. Versions whose handles are still out are destroyed on the reaper when
  // these die.
  void Stop(absl::Time deadline = absl::InfiniteFuture());

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace baton::lifecycle
