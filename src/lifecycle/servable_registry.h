#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "base/hot_swap.h"
#include "lifecycle/servable.h"
#include "predict/model_spec.h"

namespace baton::lifecycle {

// What is being served now, as one value: every available version and every label.
struct Catalog {
  std::map<std::string, std::map<int64_t, std::shared_ptr<Servable>>> models;
  std::map<std::string, std::map<std::string, int64_t>> labels;
  // False until a model list was applied: labels then answer kUnavailable.
  bool labels_ready = false;
};

// The read side of the manager: resolves a request's ModelSpec to a lease.
//
// Threads: Resolve is thread-safe and takes no shared lock (base::HotSwap). Publish: the manager
// only. Owner: server/. Errors of Resolve are those of the contract, §3.2: kNotFound,
// kInvalidArgument, kUnavailable.
class ServableRegistry {
 public:
  ServableRegistry();

  absl::StatusOr<ServableHandle> Resolve(const predict::ModelSpec& spec) const;

  // Replaces everything in one step. Handles given out before keep their versions alive.
  void Publish(const Catalog& catalog);

  // Names and available versions, for listings.
  std::vector<ServableId> List() const;

 private:
  struct Snapshot;
  static std::shared_ptr<const Snapshot> MakeSnapshot(const Catalog& catalog);

  base::HotSwap<Snapshot> snapshot_;
};

}  // namespace baton::lifecycle
