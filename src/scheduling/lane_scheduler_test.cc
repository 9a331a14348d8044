#include "scheduling/lane_scheduler.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "predict/scripted_engine.h"
#include "testing/fake_clock.h"

namespace baton::scheduling {
namespace {

using predict::Answers;
using predict::Gate;
using predict::PredictCall;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Runs what the test says, then answers OK.
class ScriptedPredictor final : public predict::Predictor {
 public:
  explicit ScriptedPredictor(std::function<void(const PredictCall&)> script = {})
      : script_(std::move(script)) {}
  void Predict(PredictCall call) override {
    if (script_) script_(call);
    call.sink.Finish(predict::PredictResponse());
  }

 private:
  const std::function<void(const PredictCall&)> script_;
};

class LaneSchedulerTest : public ::testing::Test {
 protected:
  LaneScheduler::Options Options(uint32_t threads) {
    return {.threads = threads, .clock = &clock_};
  }
  LaneSet::Options Lanes(predict::Predictor* next, uint32_t max_concurrent_runs = 0) {
    return {.name = "model \"m\" version 3",
            .signatures = {"serving_default", "other"},
            .max_concurrent_runs = max_concurrent_runs,
            .next = next,
            .costs = &costs_};
  }
  // A call whose answer is noted under `name` in order_.
  PredictCall NewCall(const std::string& name = "",
                      absl::Duration timeout = absl::InfiniteDuration()) {
    PredictCall call;
    call.context.deadline = clock_.Now() + timeout;
    call.sink = predict::ResponseSink([this, name](absl::StatusOr<predict::PredictResponse> r) {
      {
        base::MutexLock lock(mutex_);
        order_.push_back(name);
      }
      answers_.Add(r.status());
    });
    return call;
  }
  std::vector<std::string> order() {
    base::MutexLock lock(mutex_);
    return order_;
  }

  baton::testing::FakeClock clock_;
  CostModel costs_{2};
  Answers answers_;
  base::Mutex mutex_;
  std::vector<std::string> order_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(LaneSchedulerTest, RunsCallsOnItsOwnThreadsWhichMayWait) {
  std::thread::id ran_on;
  bool may_run_inline = true;
  ScriptedPredictor next([&](const PredictCall& call) {
    ran_on = std::this_thread::get_id();
    may_run_inline = call.context.may_run_inline;
  });
  LaneScheduler scheduler(Options(2));
  auto lanes = scheduler.NewLanes(Lanes(&next));
  PredictCall call = NewCall();
  call.context.may_run_inline = true;
  lanes->Submit(0, 8, std::move(call));
  EXPECT_TRUE(answers_.WaitFor(1)[0].ok());
  lanes.reset();
  EXPECT_NE(ran_on, std::this_thread::get_id());
  EXPECT_FALSE(may_run_inline);
}

TEST_F(LaneSchedulerTest, TellsTheCostModelWhatARunTook) {
  ScriptedPredictor next([&](const PredictCall&) { clock_.Advance(absl::Milliseconds(7)); });
  LaneScheduler scheduler(Options(1));
  auto lanes = scheduler.NewLanes(Lanes(&next));
  lanes->Submit(1, 100, NewCall());
  answers_.WaitFor(1);
  lanes.reset();
  EXPECT_EQ(costs_.Of(1, 100).samples, 1u);
  EXPECT_EQ(costs_.Of(1, 100).mean, absl::Milliseconds(7));
}

TEST_F(LaneSchedulerTest, RunsTheEarliestDeadlineFirstAndThenTheOldest) {
  Gate gate;
  ScriptedPredictor next([&](const PredictCall&) { gate.Pass(); });
  LaneScheduler scheduler(Options(1));
  auto lanes = scheduler.NewLanes(Lanes(&next));
  lanes->Submit(0, 0, NewCall("first"));
  gate.WaitForArrivals(1);
  lanes->Submit(0, 0, NewCall("old"));
  lanes->Submit(0, 0, NewCall("in 5 s", absl::Seconds(5)));
  lanes->Submit(1, 0, NewCall("in 3 s", absl::Seconds(3)));
  lanes->Submit(0, 0, NewCall("in 20 s", absl::Seconds(20)));  // later than anybody's patience
  EXPECT_EQ(scheduler.queued_calls(), 4u);
  EXPECT_EQ(scheduler.running_calls(), 1u);
  gate.Open();
  answers_.WaitFor(5);
  EXPECT_THAT(order(), ElementsAre("first", "in 3 s", "in 5 s", "old", "in 20 s"));
}

TEST_F(LaneSchedulerTest, ACallWithoutDeadlineOvertakesUrgentOnesOnceItsPatienceIsOver) {
  Gate gate;
  ScriptedPredictor next([&](const PredictCall&) { gate.Pass(); });
  LaneScheduler scheduler(Options(1));
  auto lanes = scheduler.NewLanes(Lanes(&next));
  lanes->Submit(0, 0, NewCall("first"));
  gate.WaitForArrivals(1);
  lanes->Submit(0, 0, NewCall("patient"));
  clock_.Advance(absl::Seconds(9));
  lanes->Submit(0, 0, NewCall("urgent", absl::Seconds(2)));
  gate.Open();
  answers_.WaitFor(3);
  EXPECT_THAT(order(), ElementsAre("first", "patient", "urgent"));
}

TEST_F(LaneSchedulerTest, AnswersWhatExpiredInTheQueueWithoutRunningIt) {
  Gate gate;
  int runs = 0;
  ScriptedPredictor next([&](const PredictCall&) {
    ++runs;
    gate.Pass();
  });
  LaneScheduler scheduler(Options(1));
  auto lanes = scheduler.NewLanes(Lanes(&next));
  lanes->Submit(0, 0, NewCall("first"));
  gate.WaitForArrivals(1);
  lanes->Submit(0, 0, NewCall("late", absl::Seconds(1)));
  clock_.Advance(absl::Seconds(1));
  gate.Open();
  const auto statuses = answers_.WaitFor(2);
  EXPECT_EQ(statuses[1], absl::DeadlineExceededError("Timed out waiting for notification"));
  lanes.reset();
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(scheduler.queued_calls(), 0u);
}

TEST_F(LaneSchedulerTest, AnswersWhatWasCancelledInTheQueueWithoutRunningIt) {
  Gate gate;
  ScriptedPredictor next([&](const PredictCall&) { gate.Pass(); });
  LaneScheduler scheduler(Options(1));
  auto lanes = scheduler.NewLanes(Lanes(&next));
  lanes->Submit(0, 0, NewCall());
  gate.WaitForArrivals(1);
  PredictCall call = NewCall();
  auto cancellation = std::make_shared<predict::Cancellation>();
  call.context.cancellation = cancellation;
  lanes->Submit(0, 0, std::move(call));
  cancellation->Cancel();
  gate.Open();
  EXPECT_EQ(answers_.WaitFor(2)[1].code(), absl::StatusCode::kCancelled);
  lanes.reset();
  EXPECT_EQ(gate.arrived(), 1);
}

TEST_F(LaneSchedulerTest, AnswersAtOnceWhatIsLateOrCancelledWhenItComes) {
  ScriptedPredictor next;
  LaneScheduler scheduler(Options(0));
  auto lanes = scheduler.NewLanes(Lanes(&next));
  lanes->Submit(0, 0, NewCall("", absl::ZeroDuration()));
  EXPECT_EQ(answers_.WaitFor(1)[0].code(), absl::StatusCode::kDeadlineExceeded);
  lanes->Submit(9, 0, NewCall());
  EXPECT_EQ(answers_.WaitFor(2)[1].code(), absl::StatusCode::kInternal);
}

TEST_F(LaneSchedulerTest, AnswersAnExpiredCallWhileTheLimitKeepsItsLaneFromRunning) {
  Gate gate;
  ScriptedPredictor next([&](const PredictCall&) { gate.Pass(); });
  LaneScheduler scheduler(
      {.threads = 2});  // on the real clock: the idle thread's wait ends by itself
  auto lanes = scheduler.NewLanes(Lanes(&next, 1));
  lanes->Submit(0, 0, NewCall("first"));
  gate.WaitForArrivals(1);
  PredictCall call = NewCall("late");
  call.context.deadline = absl::Now() + absl::Milliseconds(1);
  lanes->Submit(0, 0, std::move(call));
  EXPECT_EQ(answers_.WaitFor(1)[0].code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(order(), ElementsAre("late"));
  gate.Open();
  answers_.WaitFor(2);
}

TEST_F(LaneSchedulerTest, RefusesWhatDoesNotFitIntoTheLane) {
  ScriptedPredictor next;
  LaneScheduler::Options options = Options(0);
  options.max_queued_calls = 3;
  options.max_queued_bytes = 100;
  LaneScheduler scheduler(options);
  auto lanes = scheduler.NewLanes(Lanes(&next));
  lanes->Submit(0, 500, NewCall());  // larger than the limit, but the lane is empty
  EXPECT_EQ(answers_.count(), 0u);
  lanes->Submit(0, 1, NewCall());
  EXPECT_EQ(answers_.WaitFor(1)[0],
            absl::ResourceExhaustedError("model \"m\" version 3, signature \"serving_default\": "
                                         "the queue is full, its limit is 100 bytes of inputs"));
  for (int i = 0; i < 4; ++i) lanes->Submit(1, 10, NewCall());
  EXPECT_EQ(answers_.WaitFor(2)[1],
            absl::ResourceExhaustedError("model \"m\" version 3, signature \"other\": "
                                         "the queue is full, its limit is 3 calls"));
  EXPECT_EQ(scheduler.queued_calls(), 4u);
  EXPECT_EQ(scheduler.queued_bytes(), 530u);
  lanes.reset();
  EXPECT_EQ(answers_.count(), 6u);
}

TEST_F(LaneSchedulerTest, MakesRoomInAFullLaneByDroppingDeadCalls) {
  ScriptedPredictor next;
  LaneScheduler::Options options = Options(0);
  options.max_queued_calls = 2;
  LaneScheduler scheduler(options);
  auto lanes = scheduler.NewLanes(Lanes(&next));
  lanes->Submit(0, 0, NewCall("kept"));
  lanes->Submit(0, 0, NewCall("late", absl::Seconds(1)));
  clock_.Advance(absl::Seconds(1));
  lanes->Submit(0, 0, NewCall("new"));
  EXPECT_EQ(answers_.count(), 1u);
  EXPECT_THAT(order(), ElementsAre("late"));
  lanes->Submit(0, 0, NewCall("too many"));
  EXPECT_THAT(order(), ElementsAre("late", "too many"));
  lanes.reset();
}

TEST_F(LaneSchedulerTest, RunsNoMoreCallsOfAServableAtOnceThanItsLimit) {
  Gate gate;
  ScriptedPredictor limited([&](const PredictCall&) { gate.Pass(); });
  ScriptedPredictor free;
  LaneScheduler scheduler(Options(3));
  auto lanes = scheduler.NewLanes(Lanes(&limited, 1));
  auto other = scheduler.NewLanes(Lanes(&free));
  lanes->Submit(0, 0, NewCall("first"));
  lanes->Submit(1, 0, NewCall("second"));
  gate.WaitForArrivals(1);
  other->Submit(0, 0, NewCall("other"));  // passes by: the threads are free
  answers_.WaitFor(1);
  EXPECT_THAT(order(), ElementsAre("other"));
  EXPECT_EQ(gate.arrived(), 1);
  EXPECT_FALSE(lanes->TryEnter());
  gate.Open();
  answers_.WaitFor(3);
}

TEST_F(LaneSchedulerTest, AnInlineRunTakesAPlaceAndWakesTheQueueWhenItLeaves) {
  ScriptedPredictor next;
  LaneScheduler scheduler(Options(1));
  auto lanes = scheduler.NewLanes(Lanes(&next, 1));
  for (size_t round = 0; round < 200; ++round) {
    while (!lanes->TryEnter()) std::this_thread::yield();  // until the last run has ended
    EXPECT_FALSE(lanes->TryEnter());
    lanes->Submit(0, 0, NewCall());
    EXPECT_EQ(scheduler.queued_calls(), 1u);
    EXPECT_FALSE(lanes->TryEnter());
    // In some rounds the engine thread has looked by now, and sleeps until it is woken.
    if (round % 2 == 0) std::this_thread::yield();
    lanes->Leave();
    answers_.WaitFor(round + 1);
  }
}

TEST_F(LaneSchedulerTest, ALaneThatWasIdleStartsLevelWithTheOthers) {
  auto gate = std::make_unique<Gate>();
  ScriptedPredictor next([&](const PredictCall&) {
    gate->Pass();
    clock_.Advance(absl::Milliseconds(100));
  });
  LaneScheduler scheduler(Options(1));
  auto busy = scheduler.NewLanes(Lanes(&next));
  auto idle = scheduler.NewLanes(Lanes(&next));
  gate->Open();
  for (int i = 0; i < 20; ++i) busy->Submit(0, 0, NewCall("before"));
  answers_.WaitFor(20);
  gate = std::make_unique<Gate>();
  busy->Submit(0, 0, NewCall("before"));
  gate->WaitForArrivals(1);
  for (int i = 0; i < 10; ++i) idle->Submit(0, 0, NewCall("idle"));
  for (int i = 0; i < 10; ++i) busy->Submit(0, 0, NewCall("busy"));
  gate->Open();
  answers_.WaitFor(41);
  // Two seconds of credit would let the lane that was idle run all of its calls first.
  const std::vector<std::string> order = this->order();
  EXPECT_GE(std::count(order.begin() + 21, order.begin() + 31, "busy"), 4);
}

TEST_F(LaneSchedulerTest, AFloodInOneLaneDoesNotHoldUpAnother) {
  Gate gate;
  ScriptedPredictor heavy([&](const PredictCall&) {
    gate.Pass();
    clock_.Advance(absl::Milliseconds(100));
  });
  ScriptedPredictor light([&](const PredictCall&) { clock_.Advance(absl::Milliseconds(1)); });
  LaneScheduler scheduler(Options(1));
  auto heavy_lanes = scheduler.NewLanes(Lanes(&heavy));
  auto light_lanes = scheduler.NewLanes(Lanes(&light));
  for (int i = 0; i < 10; ++i) heavy_lanes->Submit(0, 0, NewCall("heavy"));
  gate.WaitForArrivals(1);
  for (int i = 0; i < 5; ++i) light_lanes->Submit(0, 0, NewCall("light"));
  gate.Open();
  answers_.WaitFor(15);
  const std::vector<std::string> order = this->order();
  // The light ones came last, but after the heavy run that was going on the lane has used far less.
  for (int i = 1; i <= 5; ++i) EXPECT_EQ(order[i], "light") << i;
}

TEST_F(LaneSchedulerTest, AnswersTheQueuedOnesWhenItStopsAndRefusesNewOnes) {
  Gate gate;
  ScriptedPredictor next([&](const PredictCall&) { gate.Pass(); });
  LaneScheduler scheduler(Options(1));
  auto lanes = scheduler.NewLanes(Lanes(&next));
  lanes->Submit(0, 0, NewCall());
  gate.WaitForArrivals(1);
  lanes->Submit(0, 0, NewCall());
  gate.Open();
  scheduler.Stop();
  scheduler.Stop();
  const auto statuses = answers_.WaitFor(2);
  EXPECT_TRUE(statuses[0].ok());  // what runs is finished
  // The second call either still got its turn or was turned away.
  EXPECT_TRUE(statuses[1].ok() || statuses[1].code() == absl::StatusCode::kUnavailable);
  lanes->Submit(0, 0, NewCall());
  const absl::Status refused = answers_.WaitFor(3)[2];
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(base::Message(refused)), HasSubstr("model \"m\" version 3"));
}

TEST_F(LaneSchedulerTest, ALaneSetMayOutliveTheSchedulerAndRefusesThen) {
  ScriptedPredictor next;
  auto scheduler = std::make_unique<LaneScheduler>(Options(1));
  auto lanes = scheduler->NewLanes(Lanes(&next, 1));
  scheduler.reset();
  lanes->Submit(0, 0, NewCall());
  EXPECT_EQ(answers_.WaitFor(1)[0].code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(lanes->TryEnter());
  lanes->Leave();
}

TEST_F(LaneSchedulerTest, ALaneSetAnswersItsQueueAndWaitsForItsRuns) {
  Gate gate;
  std::atomic<bool> run_ended{false};
  ScriptedPredictor next([&](const PredictCall&) {
    gate.Pass();
    run_ended = true;
  });
  LaneScheduler scheduler(Options(1));
  auto lanes = scheduler.NewLanes(Lanes(&next));
  lanes->Submit(0, 0, NewCall("running"));
  gate.WaitForArrivals(1);
  PredictCall queued;
  queued.sink = predict::ResponseSink([&](absl::StatusOr<predict::PredictResponse> result) {
    EXPECT_EQ(result.status().code(), absl::StatusCode::kUnavailable);
    gate.Open();  // so the run ends after the queue was answered
  });
  lanes->Submit(0, 0, std::move(queued));
  lanes.reset();
  EXPECT_TRUE(run_ended);
  EXPECT_EQ(answers_.count(), 1u);
  EXPECT_EQ(scheduler.queued_calls(), 0u);
}

}  // namespace
}  // namespace baton::scheduling
