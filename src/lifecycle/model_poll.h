#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lifecycle/desired.h"
#include "storage/model_store.h"

namespace baton::lifecycle {

// What polls of one model remember from each other.
struct PollMemory {
  std::set<int64_t> settled;  // still on disk, and need not be asked about again
  std::string duplicates;     // the last complaint about doubled versions, not to be repeated
};

struct PollResult {
  // What should serve now; absent when everything stays as it is.
  std::optional<std::vector<DesiredVersion>> desired;
  // A version that the policy wants is still being copied: worth looking again soon.
  bool is_unsettled = false;
  bool is_readable = true;  // the base path could be listed
};

// One look at one model's base path: lists it, applies the policy, leaves out what is not settled
// yet.
//
// While a wanted version settles, the next best settled one takes its place; if there is none,
// everything stays as it is, so that replacing the only version by a copy in progress does not take
// the model out of service. A base path that cannot be read changes nothing either (contract §5.1,
// whose texts are logged if `is_loud`).
//
// Threads: blocks on the store. Errors: logged.
PollResult PollModel(storage::ModelStore& store, const std::string& name, const WatchedModel& model,
                     bool is_loud, PollMemory& memory);

}  // namespace baton::lifecycle
