#include "scheduling/batch_policy.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace baton::scheduling {
namespace {

constexpr int kNever = 1 << 20;

absl::Time At(int ms) {
  return ms == kNever ? absl::InfiniteFuture() : absl::UnixEpoch() + absl::Milliseconds(ms);
}

// A lane with `queued` calls whose head is due and expires at those milliseconds.
LaneSnapshot Lane(uint32_t queued, int due, int deadline, int used_ms, bool may_run = true) {
  return {queued, At(due), At(deadline), absl::Milliseconds(used_ms), may_run};
}

TEST(BatchPolicyTest, ChoosesALaneOrATimeToWaitFor) {
  constexpr int kNow = 100;
  const struct {
    std::string name;
    std::vector<LaneSnapshot> lanes;
    BatchDecision expected;
  } rows[] = {
      {"nothing is queued", {}, {0, 0, At(kNever)}},
      {"one lane", {Lane(3, 500, kNever, 0)}, {0, 1, At(kNever)}},
      {"the oldest goes first",
       {Lane(1, 520, kNever, 0), Lane(1, 510, kNever, 0), Lane(1, 530, kNever, 0)},
       {1, 1, At(kNever)}},
      {"a deadline goes before an older call without one",
       {Lane(9, 500, kNever, 0), Lane(1, 150, 150, 0)},
       {1, 1, At(kNever)}},
      {"the first of two lanes that are alike",
       {Lane(1, 500, kNever, 0), Lane(1, 500, kNever, 0)},
       {0, 1, At(kNever)}},
      {"use inside the quantum does not matter",
       {Lane(1, 500, kNever, 1009), Lane(1, 510, kNever, 1000)},
       {0, 1, At(kNever)}},
      {"a lane that used a quantum more waits",
       {Lane(1, 500, kNever, 1010), Lane(1, 510, kNever, 1000)},
       {1, 1, At(kNever)}},
      {"even when it is more urgent",
       {Lane(1, 101, 101, 1010), Lane(1, 510, kNever, 1000)},
       {1, 1, At(kNever)}},
      {"a lane that may not run holds nobody up",
       {Lane(1, 500, kNever, 0, false), Lane(1, 510, kNever, 5000)},
       {1, 1, At(kNever)}},
      {"an empty lane is nothing",
       {Lane(0, 1, 1, 0), Lane(1, 510, kNever, 5000)},
       {1, 1, At(kNever)}},
      {"nobody may run: wait for the first expiry",
       {Lane(1, 300, 300, 0, false), Lane(1, 200, 200, 0, false), Lane(1, 120, kNever, 0, false)},
       {0, 0, At(200)}},
      {"an expiry that has passed is no reason to spin",
       {Lane(1, 90, 90, 0, false), Lane(1, 100, 100, 0, false)},
       {0, 0, At(kNever)}},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(BatchPolicy().Decide(row.lanes, At(kNow)), row.expected) << row.name;
  }
}

TEST(BatchPolicyTest, SharesEngineTimeEvenlyBetweenAHeavyAndALightLane) {
  // Lane 0 takes 30 ms a call, lane 1 takes 1 ms; both always have work and arrive alike.
  std::vector<LaneSnapshot> lanes = {Lane(1000, 0, kNever, 0), Lane(1000, 0, kNever, 0)};
  int runs[2] = {0, 0};
  for (int i = 0; i < 310; ++i) {
    const BatchDecision decision = BatchPolicy().Decide(lanes, At(0));
    ASSERT_EQ(decision.count, 1u);
    ++runs[decision.lane];
    lanes[decision.lane].used += absl::Milliseconds(decision.lane == 0 ? 30 : 1);
    lanes[decision.lane].head_due += absl::Milliseconds(1);
  }
  EXPECT_NEAR(runs[0] * 30, runs[1], 45);
}

}  // namespace
}  // namespace baton::scheduling
