#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace baton::lifecycle {

// How one version of one model stands, as the policy sees it.
struct VersionSnapshot {
  enum class Phase { kNew, kLoading, kReady, kUnloading, kFailed };
  int64_t version = 0;
  bool desired = false;
  Phase phase = Phase::kNew;
};

struct TransitionAction {
  enum class Kind { kLoad, kUnload };
  Kind kind = Kind::kLoad;
  int64_t version = 0;
  bool operator==(const TransitionAction&) const = default;
};

// Availability-preserving (contract §5.5): the old version serves until a new one is ready. Pure
// and idempotent: at most one action for one model's versions; called again after each step.
std::optional<TransitionAction> NextTransition(std::span<const VersionSnapshot> versions);

}  // namespace baton::lifecycle
