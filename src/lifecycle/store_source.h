#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "base/clock.h"
#include "lifecycle/desired.h"
#include "lifecycle/servable_manager.h"
#include "storage/model_store.h"

namespace baton::lifecycle {

// Looks at base paths and tells the manager which versions should serve: one poll loop over all
// models, woken early by the store's watch. Only settled versions are desired (a version that is
// still being copied waits), except that a version already desired stays so. One model's missing
// base path never holds up another's.
//
// Threads: thread-safe façade over its own poll thread. Owner: server/. Errors: logged with the
// contract's texts (§5.1).
class StoreSource {
 public:
  struct Options {
    // > 0: period of polling; 0: every model is polled once, when it is first named; < 0: never.
    absl::Duration poll_interval = absl::Seconds(1);
    const base::Clock* clock = &base::Clock::Real();
  };

  // Borrowed; both outlive the source.
  StoreSource(Options options, storage::ModelStore* store, ServableManager* manager);
  ~StoreSource();

  using Model = WatchedModel;

  // Replaces the set of models. Those left out are un-desired at once; new and changed ones are
  // polled at once.
  void SetModels(std::map<std::string, Model> models);

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace baton::lifecycle
