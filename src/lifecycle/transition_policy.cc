#include "lifecycle/transition_policy.h"

namespace baton::lifecycle {

std::optional<TransitionAction> NextTransition(std::span<const VersionSnapshot> versions) {
  using Phase = VersionSnapshot::Phase;
  bool is_any_desired = false;
  bool is_desired_ready = false;
  int undesired_ready = 0;
  std::optional<int64_t> to_unload;  // the lowest ready one that is not desired
  std::optional<int64_t> to_load;    // the highest new one that is desired
  for (const VersionSnapshot& version : versions) {
    is_any_desired |= version.desired;
    if (version.desired) {
      is_desired_ready |= version.phase == Phase::kReady;
      if (version.phase == Phase::kNew && (!to_load || version.version > *to_load)) {
        to_load = version.version;
      }
    } else if (version.phase == Phase::kReady) {
      ++undesired_ready;
      if (!to_unload || version.version < *to_unload) to_unload = version.version;
    }
  }
  if (to_unload && (!is_any_desired || is_desired_ready || undesired_ready > 1)) {
    return TransitionAction{TransitionAction::Kind::kUnload, *to_unload};
  }
  if (to_load) return TransitionAction{TransitionAction::Kind::kLoad, *to_load};
  return std::nullopt;
}

}  // namespace baton::lifecycle
