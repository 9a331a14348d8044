#include "scheduling/batch_policy.h"

#include <algorithm>

namespace baton::scheduling {

BatchDecision BatchPolicy::Decide(std::span<const LaneSnapshot> lanes, absl::Time now) const {
  absl::Duration least = absl::InfiniteDuration();
  absl::Time next_expiry = absl::InfiniteFuture();
  for (const LaneSnapshot& lane : lanes) {
    if (lane.queued == 0) continue;
    if (lane.may_run) {
      least = std::min(least, lane.used);
    } else if (lane.head_deadline > now) {
      next_expiry = std::min(next_expiry, lane.head_deadline);
    }
  }
  const LaneSnapshot* best = nullptr;
  for (const LaneSnapshot& lane : lanes) {
    if (lane.queued == 0 || !lane.may_run || lane.used >= least + fairness_quantum) continue;
    if (best == nullptr || lane.head_due < best->head_due) best = &lane;
  }
  if (best == nullptr) return {.wait_until = next_expiry};
  return {.lane = static_cast<uint32_t>(best - lanes.data()), .count = 1};
}

}  // namespace baton::scheduling
