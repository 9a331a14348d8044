#include "service/call_gate.h"

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::service {
namespace {

using ::testing::ElementsAre;

TEST(CallGateTest, WithoutALimitEverythingStartsAtOnce) {
  CallGate gate(0);
  int started = 0;
  for (int i = 0; i < 3; ++i) {
    gate.Enter([&](CallGate::Place place) {
      EXPECT_EQ(place, nullptr);
      ++started;
    });
  }
  EXPECT_EQ(started, 3);
}

TEST(CallGateTest, TheRestWaitsItsTurnInOrder) {
  CallGate gate(2);
  std::vector<int> started;
  std::vector<CallGate::Place> places;
  for (int i = 0; i < 5; ++i) {
    gate.Enter([&, i](CallGate::Place place) {
      started.push_back(i);
      places.push_back(std::move(place));
    });
  }
  EXPECT_THAT(started, ElementsAre(0, 1));
  EXPECT_EQ(gate.waiting(), 3u);
  places[0].reset();
  EXPECT_THAT(started, ElementsAre(0, 1, 2));
  places[1].reset();
  places[2].reset();
  EXPECT_THAT(started, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(gate.waiting(), 0u);
  places.clear();
}

TEST(CallGateTest, ManyCallsThatEndAtOnceDoNotGrowTheStack) {
  CallGate gate(1);
  CallGate::Place first;
  gate.Enter([&](CallGate::Place place) { first = std::move(place); });
  int ended = 0;
  for (int i = 0; i < 200000; ++i) {
    gate.Enter([&](CallGate::Place) { ++ended; });
  }
  first.reset();
  EXPECT_EQ(ended, 200000);
}

TEST(CallGateTest, NeverMoreThanTheLimitAndNoneLost) {
  CallGate gate(3);
  std::atomic<int> inside{0}, most{0}, ended{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        gate.Enter([&](CallGate::Place place) {
          const int now = ++inside;
          int seen = most;
          while (seen < now && !most.compare_exchange_weak(seen, now)) {
          }
          --inside;
          ++ended;
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ended, 16000);
  EXPECT_LE(most, 3);
}

}  // namespace
}  // namespace baton::service
