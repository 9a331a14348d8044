#pragma once

#include <memory>
#include <set>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "lifecycle/model_config.h"
#include "lifecycle/servable_manager.h"
#include "lifecycle/state_monitor.h"
#include "lifecycle/store_source.h"
#include "reqlog/request_loggers.h"

namespace baton::lifecycle {

// Applies a whole model configuration: the one routine behind start-up, the reload RPC and the
// config-file poll (contract §5.7). The checks and the switch to the new configuration are
// serialised; waiting for models is not.
//
// Three departures from TensorFlow Serving, all where it can only be got out of by a restart
// (contract Q24, Q50):
//   - A configuration that fails a check (duplicates, paths, labels, platforms) changes nothing and
//   is not remembered,
//     so that it cannot make later ones fail. One whose models fail to load is current, as there.
//   - An application that waits for a model without versions holds up nobody: later ones proceed.
//   If one leaves out all
//     that is still waited for, the waiting one answers kCancelled.
//   - Repeating a reload word for word reports the models that still cannot be served instead of
//   OK.
//
// Threads: thread-safe. Owner: server/. Errors: the contract's codes and texts.
class ConfigApplier {
 public:
  struct Options {
    bool allow_labels_for_unavailable = false;
    std::set<std::string> platforms = {"tensorflow"};
    // Borrowed; gets the models' logging_config. Without it a model with one is an error.
    reqlog::RequestLoggers* loggers = nullptr;
  };

  // Borrowed; all outlive the applier.
  ConfigApplier(Options options, StoreSource* source, ServableManager* manager,
                StateMonitor* monitor);
  ~ConfigApplier();  // pending applications answer kCancelled

  enum class Reason { kStartup, kReload };

  // Checks, makes current, and waits until every newly named model has a version AVAILABLE or END.
  // `done` runs once, on any thread, also on the manager's: it must neither block nor apply. Not to
  // be called from a StateMonitor listener. Reason::kStartup words the failure as start-up does
  // ("servable(s)" instead of "model(s)", §5.6). Request loggers follow once the models have been
  // heard of, whether or not all serve; an error of theirs leaves them as they were.
  void Apply(ModelConfigs configs, Reason reason, absl::AnyInvocable<void(absl::Status)> done);

  // Pending applications, and later ones, answer kCancelled.
  void Stop();

  // Blocks until `done` of the same call would have run. Not on a loop thread.
  absl::Status ApplyAndWait(ModelConfigs configs, Reason reason);

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace baton::lifecycle
