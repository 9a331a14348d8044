#pragma once

#include <cstdint>
#include <span>

#include "absl/time/time.h"

namespace baton::scheduling {

// How one lane stands, as the policy sees it. Only lanes with queued calls are shown.
struct LaneSnapshot {
  uint32_t queued = 0;
  // When its most urgent call is due: the deadline, or for calls without one (or with one far away)
  // arrival + patience.
  absl::Time head_due;
  absl::Time head_deadline = absl::InfiniteFuture();  // of the same call
  // Engine time the lane has used, comparable between lanes: a lane that was idle starts level with
  // the others.
  absl::Duration used;
  // False while as many runs are going on as the model allows.
  bool may_run = true;
};

// Either "dispatch `count` calls of lane `lane`" or, with count 0, "nothing before `wait_until`".
struct BatchDecision {
  uint32_t lane = 0;
  uint32_t count = 0;
  absl::Time wait_until = absl::InfiniteFuture();
  bool operator==(const BatchDecision&) const = default;
};

// When to run what. Pure: no clock, no state. First form: one call at a time. Lanes share engine
// time evenly to within a quantum; among lanes inside the quantum the call that is due first goes
// first.
struct BatchPolicy {
  // Lanes whose use differs by less are treated alike, so that order of arrival and deadlines
  // decide.
  absl::Duration fairness_quantum = absl::Milliseconds(10);

  BatchDecision Decide(std::span<const LaneSnapshot> lanes, absl::Time now) const;
};

}  // namespace baton::scheduling
