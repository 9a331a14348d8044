#include "scheduling/cost_model.h"

#include "gtest/gtest.h"

namespace baton::scheduling {
namespace {

constexpr absl::Duration kRun = absl::Microseconds(50);

TEST(CostModelTest, KnowsNothingAtFirst) {
  CostModel costs(2);
  EXPECT_EQ(costs.Of(0, 100).samples, 0u);
  EXPECT_EQ(costs.Of(7, 100).samples, 0u);
  costs.Observe(7, 100, kRun);  // no such signature: ignored
}

TEST(CostModelTest, LearnsPerSignatureAndPowerOfTwoOfBytes) {
  CostModel costs(2);
  costs.Observe(1, 1500, kRun);
  const struct {
    uint32_t signature;
    uint64_t bytes;
    uint32_t samples;
  } rows[] = {{1, 1500, 1}, {1, 1024, 1}, {1, 2047, 1}, {1, 1023, 0},
              {1, 2048, 0}, {0, 1500, 0}, {1, 0, 0},    {1, ~uint64_t{0}, 0}};
  for (const auto& row : rows) {
    EXPECT_EQ(costs.Of(row.signature, row.bytes).samples, row.samples) << row.bytes;
  }
  costs.Observe(1, ~uint64_t{0}, kRun);
  EXPECT_EQ(costs.Of(1, uint64_t{1} << 50).samples, 1u);
  EXPECT_EQ(costs.Of(0, 0).samples, 0u);
}

TEST(CostModelTest, ConvergesOnASteadyCost) {
  CostModel costs(1);
  for (int i = 0; i < 100; ++i) costs.Observe(0, 64, kRun);
  EXPECT_EQ(costs.Of(0, 64).mean, kRun);
  EXPECT_LT(costs.Of(0, 64).upper, kRun * 1.1);
}

TEST(CostModelTest, ForgetsTheColdFirstRun) {
  CostModel costs(1);
  costs.Observe(0, 64, absl::Seconds(1));
  for (int i = 0; i < 10; ++i) costs.Observe(0, 64, kRun);
  EXPECT_LT(costs.Of(0, 64).upper, 2 * kRun);
}

TEST(CostModelTest, OneSlowRunRaisesTheUpperEstimateUntilShortRunsBringItDown) {
  CostModel costs(1);
  for (int i = 0; i < 50; ++i) costs.Observe(0, 64, kRun);
  costs.Observe(0, 64, absl::Milliseconds(50));
  EXPECT_GT(costs.Of(0, 64).upper, absl::Milliseconds(5));
  int runs = 0;
  while (costs.Of(0, 64).upper > absl::Microseconds(200)) {
    costs.Observe(0, 64, kRun);
    ++runs;
  }
  EXPECT_GT(runs, 10);
  EXPECT_LT(runs, 100);
}

TEST(CostModelTest, CoversTheSpreadOfMixedRuns) {
  CostModel costs(1);
  for (int i = 0; i < 200; ++i) costs.Observe(0, 64, i % 2 == 0 ? kRun : 5 * kRun);
  EXPECT_GT(costs.Of(0, 64).upper, 5 * kRun);
}

TEST(CostModelTest, SurvivesAClockThatStepsBackOrFarForward) {
  CostModel costs(1);
  costs.Observe(0, 1, -absl::Hours(1));
  EXPECT_EQ(costs.Of(0, 1).mean, absl::ZeroDuration());
  for (int i = 0; i < 10; ++i) costs.Observe(0, 1, absl::InfiniteDuration());
  EXPECT_LE(costs.Of(0, 1).mean, absl::Hours(24));
}

}  // namespace
}  // namespace baton::scheduling
