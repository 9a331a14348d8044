#include "service/call_gate.h"

#include <memory>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::service {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A call whose own thread is a list of work.
struct FakeCall {
  explicit FakeCall(std::vector<CallGate::Work>* loop) : loop(loop) {}
  void Post(CallGate::Work work) { loop->push_back(std::move(work)); }
  const std::shared_ptr<predict::Cancellation>& cancellation() const { return cancelled; }
  void FinishError(const absl::Status& status) { error = status; }

  std::vector<CallGate::Work>* loop;
  std::shared_ptr<predict::Cancellation> cancelled = std::make_shared<predict::Cancellation>();
  absl::Status error;
};

class CallGateTest : public ::testing::Test {
 protected:
  std::shared_ptr<FakeCall> Enter(CallGate& gate, int number) {
    auto call = std::make_shared<FakeCall>(&loop_);
    gate.Enter(call, [this, number](CallGate::Place place) {
      started_.push_back(number);
      places_.push_back(std::move(place));
    });
    return call;
  }
  void RunLoop() {
    while (!loop_.empty()) {
      std::vector<CallGate::Work> work = std::exchange(loop_, {});
      for (CallGate::Work& one : work) one();
    }
  }

  std::vector<CallGate::Work> loop_;
  std::vector<int> started_;
  std::vector<CallGate::Place> places_;
};

TEST_F(CallGateTest, WithoutALimitEverythingStartsAtOnce) {
  CallGate gate(0, 1);
  for (int i = 0; i < 3; ++i) Enter(gate, i);
  EXPECT_THAT(started_, ElementsAre(0, 1, 2));
  EXPECT_THAT(places_, ElementsAre(nullptr, nullptr, nullptr));
}

TEST_F(CallGateTest, TheRestWaitsItsTurnInOrderAndStartsOnItsOwnThread) {
  CallGate gate(2, 10);
  for (int i = 0; i < 4; ++i) Enter(gate, i);
  EXPECT_THAT(started_, ElementsAre(0, 1));
  EXPECT_EQ(gate.waiting(), 2u);
  places_[0].reset();
  EXPECT_THAT(started_, ElementsAre(0, 1));  // whoever leaves runs nothing
  RunLoop();
  EXPECT_THAT(started_, ElementsAre(0, 1, 2));
  places_[1].reset();
  places_[2].reset();
  RunLoop();
  EXPECT_THAT(started_, ElementsAre(0, 1, 2, 3));
  places_.clear();
  Enter(gate, 4);
  EXPECT_THAT(started_, ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(CallGateTest, WhatNobodyWaitsForGivesUpItsTurn) {
  CallGate gate(1, 10);
  Enter(gate, 0);
  const auto gone = Enter(gate, 1);
  Enter(gate, 2);
  gone->cancelled->Cancel();
  places_[0].reset();
  RunLoop();
  EXPECT_THAT(started_, ElementsAre(0, 2));
}

TEST_F(CallGateTest, AFullLineRefusesUnlessSomebodyInItIsGone) {
  CallGate gate(1, 2);
  Enter(gate, 0);
  const auto gone = Enter(gate, 1);
  Enter(gate, 2);
  EXPECT_EQ(Enter(gate, 3)->error.code(), absl::StatusCode::kResourceExhausted);
  gone->cancelled->Cancel();
  EXPECT_TRUE(Enter(gate, 4)->error.ok());
  EXPECT_EQ(gate.waiting(), 2u);
}

TEST_F(CallGateTest, ManyCallsThatEndAtOnceDoNotGrowTheStack) {
  CallGate gate(1, 1000000);
  Enter(gate, 0);
  int ended = 0;
  for (int i = 0; i < 200000; ++i) {
    gate.Enter(std::make_shared<FakeCall>(&loop_), [&](CallGate::Place) { ++ended; });
  }
  places_.clear();
  RunLoop();
  EXPECT_EQ(ended, 200000);
}

TEST_F(CallGateTest, PlacesMayOutliveTheGate) {
  auto gate = std::make_unique<CallGate>(1, 10);
  Enter(*gate, 0);
  Enter(*gate, 1);
  gate.reset();
  places_.clear();
  EXPECT_THAT(loop_, IsEmpty());
}

}  // namespace
}  // namespace baton::service
