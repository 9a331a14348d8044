#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "lifecycle/servable_id.h"

namespace baton::lifecycle {

// The public states, with GetModelStatus's numbers.
enum class VersionState {
  kUnknown = 0,
  kStart = 10,
  kLoading = 20,
  kAvailable = 30,
  kUnloading = 40,
  kEnd = 50
};

std::string_view Name(VersionState state);  // "AVAILABLE"

struct VersionStatus {
  int64_t version = 0;
  VersionState state = VersionState::kUnknown;
  absl::Status status;  // not OK only for kEnd after a failure
};

// Remembers the latest state of every version this process ever managed, and tells listeners of
// changes.
//
// Threads: thread-safe; listeners run on the caller of Update, outside the lock, in order. Owner:
// server/.
class StateMonitor {
 public:
  using Listener = absl::AnyInvocable<void(const ServableId&, const VersionStatus&)>;

  void Update(const ServableId& id, VersionState state, absl::Status status = absl::OkStatus());

  // Versions in descending order. Errors: kNotFound with the contract's texts (§3.8).
  absl::StatusOr<std::vector<VersionStatus>> Get(std::string_view name,
                                                 std::optional<int64_t> version) const;
  // Everything ever seen.
  std::map<std::string, std::vector<VersionStatus>> All() const;

  // REQUIRES: before the first Update.
  void AddListener(Listener listener);

 private:
  mutable base::Mutex mutex_;
  std::map<std::string, std::map<int64_t, VersionStatus>, std::less<>> states_
      ABSL_GUARDED_BY(mutex_);
  std::vector<Listener> listeners_;
};

}  // namespace baton::lifecycle
