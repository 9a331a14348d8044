#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/executor.h"
#include "lifecycle/desired.h"
#include "lifecycle/servable.h"
#include "lifecycle/servable_registry.h"
#include "lifecycle/state_monitor.h"
#include "lifecycle/transition_policy.h"

namespace baton::lifecycle {

// What ServableManager does, without its thread: every version's record, and the steps between its
// states. A step asks NextTransition what to do, starts it on an executor, and hears of its end as
// a posted event.
//
// Threads: confined to one (the manager's loop). Owner: ServableManager; borrows everything it is
// given. Errors: none; a version's failure is its END status.
class Reconciler {
 public:
  // Runs a closure later on the confining thread, or drops it once that has ended. Called from any
  // thread, and possibly after the reconciler is gone: it owns what it needs.
  using Post = std::function<void(absl::AnyInvocable<void()>)>;
  using Labels = std::map<std::string, std::map<std::string, int64_t>>;

  Reconciler(LoadOptions options, ServableFactory* factory, ServableRegistry* registry,
             StateMonitor* monitor, base::Executor* load_executor, base::Executor* reaper,
             Post post);

  void SetDesired(const std::string& name, const std::vector<DesiredVersion>& versions);
  absl::Status CheckLabels(const Labels& labels, bool allow_unavailable) const;
  absl::Status SetLabels(const Labels& labels, bool allow_unavailable);
  // Un-desires everything.
  void RetireAll();

  // When RunTimers has something to do; InfiniteFuture when nothing waits for time.
  absl::Time NextTimer() const;
  // Starts the load attempts whose time has come.
  void RunTimers();

  // Nothing is loaded, loading or unloading.
  bool IsIdle() const { return live_ == 0; }

 private:
  using Phase = VersionSnapshot::Phase;
  using LoadResult = absl::StatusOr<std::unique_ptr<Servable>>;

  struct Version {
    std::string path;
    bool desired = true;
    Phase phase = Phase::kNew;
    uint32_t attempts = 0;                         // finished loads of this run
    absl::Time retry_at = absl::InfiniteFuture();  // kLoading between attempts
    std::shared_ptr<predict::Cancellation> load;   // kLoading during an attempt, else null
    std::shared_ptr<Servable> servable;            // kReady
    absl::Status end_status;                       // kUnloading: what END will say
  };
  using Versions = std::map<int64_t, Version>;

  Version* Find(const ServableId& id);
  void Desire(const ServableId& id, const std::string& path);
  void UndesireOthers(const std::string& name, const std::set<int64_t>& wanted);
  // Returns true when nothing is left to do for the version: its record can go.
  bool Undesire(const ServableId& id, Version& version);
  // Takes every step that is possible now for one model.
  void Advance(const std::string& name);

  void SetPhase(Version& version, Phase phase);
  void StartLoad(const ServableId& id, Version& version);
  void Attempt(const ServableId& id, Version& version);
  void OnLoaded(const ServableId& id, LoadResult result);
  void OnCancelled(const ServableId& id, Version& version, LoadResult result);
  void MakeReady(const ServableId& id, Version& version, std::unique_ptr<Servable> servable);
  void Fail(const ServableId& id, Version& version, absl::Status status);
  void Retire(const ServableId& id, Version& version);
  void OnReleased(const ServableId& id);
  std::shared_ptr<Servable> Share(const ServableId& id, std::unique_ptr<Servable> servable) const;

  void Publish();
  // Publishes without what Retire() took, then lets go of it.
  void FlushRetired();

  const LoadOptions options_;
  ServableFactory* const factory_;
  ServableRegistry* const registry_;
  StateMonitor* const monitor_;
  base::Executor* const load_executor_;
  base::Executor* const reaper_;
  const Post post_;

  std::map<std::string, Versions> models_;
  Labels labels_;
  bool labels_ready_ = false;
  int live_ = 0;  // versions that are loading, ready or unloading
  std::vector<std::shared_ptr<Servable>> retired_;
};

}  // namespace baton::lifecycle
