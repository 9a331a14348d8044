#include "scheduling/scheduling_predictor.h"

#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "predict/engine_predictor.h"

#include "predict/scripted_engine.h"
#include "testing/fake_clock.h"

namespace baton::scheduling {
namespace {

using predict::Answers;
using predict::Gate;
using predict::PredictCall;
using predict::ScriptedModel;

class SchedulingPredictorTest : public ::testing::Test {
 protected:
  std::unique_ptr<SchedulingPredictor> NewPredictor(ScriptedModel& model) {
    auto leaf = std::make_unique<predict::EnginePredictor>(
        predict::EnginePredictor::Options{.clock = &clock_}, &model);
    const uint32_t limit = leaf->max_concurrent_runs();
    return std::make_unique<SchedulingPredictor>(
        SchedulingPredictor::Options{.model = "m", .max_concurrent_runs = limit, .clock = &clock_},
        model.signatures(), &scheduler_, std::move(leaf));
  }
  PredictCall NewCall(const ScriptedModel& model, bool may_run_inline, int64_t elements = 1) {
    PredictCall call;
    call.context.may_run_inline = may_run_inline;
    call.request = model.NewRequest("", elements);
    call.sink = answers_.NewSink();
    return call;
  }
  // One after the other, each waited for.
  void Predict(SchedulingPredictor& predictor, const ScriptedModel& model, int calls) {
    for (int i = 0; i < calls; ++i) {
      const size_t before = answers_.count();
      predictor.Predict(NewCall(model, true));
      answers_.WaitFor(before + 1);
    }
  }
  // Until the model's runs of one element are known and short. An engine thread notes the cost
  // after the answer.
  void Learn(SchedulingPredictor& predictor, const ScriptedModel& model) {
    while (predictor.costs().Of(0, sizeof(float)).samples < 3) Predict(predictor, model, 1);
  }

  baton::testing::FakeClock clock_;
  Answers answers_;
  LaneScheduler scheduler_{{.threads = 2, .clock = &clock_}};
};

TEST_F(SchedulingPredictorTest, RunsInlineOnlyWhatIsKnownToBeShort) {
  std::atomic<bool> ran_here{false};
  const auto here = std::this_thread::get_id();
  ScriptedModel model([&](const auto& run, auto* outputs) {
    ran_here = std::this_thread::get_id() == here;
    clock_.Advance(absl::Microseconds(20));
    return ScriptedModel::Echo(run, outputs);
  });
  auto predictor = NewPredictor(model);
  Predict(*predictor, model, 1);
  EXPECT_FALSE(ran_here);  // nothing is known yet
  Learn(*predictor, model);
  Predict(*predictor, model, 1);
  EXPECT_TRUE(ran_here);

  const size_t before = answers_.count();
  predictor->Predict(NewCall(model, /*may_run_inline=*/false));
  answers_.WaitFor(before + 1);
  EXPECT_FALSE(ran_here);
  predictor->Predict(NewCall(model, true, /*elements=*/1000));  // another size: not known
  answers_.WaitFor(before + 2);
  EXPECT_FALSE(ran_here);
}

TEST_F(SchedulingPredictorTest, QueuesWhatIsKnownToBeLong) {
  std::atomic<bool> ran_here{false};
  const auto here = std::this_thread::get_id();
  ScriptedModel model([&](const auto& run, auto* outputs) {
    if (std::this_thread::get_id() == here) ran_here = true;
    clock_.Advance(absl::Microseconds(300));
    return ScriptedModel::Echo(run, outputs);
  });
  auto predictor = NewPredictor(model);
  Predict(*predictor, model, 10);
  predictor.reset();
  EXPECT_FALSE(ran_here);
}

TEST_F(SchedulingPredictorTest, GoesBackToTheQueueWhenRunsBecomeLong) {
  std::atomic<int> here_count{0};
  std::atomic<bool> slow{false};
  const auto here = std::this_thread::get_id();
  ScriptedModel model([&](const auto& run, auto* outputs) {
    if (std::this_thread::get_id() == here) ++here_count;
    clock_.Advance(slow ? absl::Milliseconds(50) : absl::Microseconds(10));
    return ScriptedModel::Echo(run, outputs);
  });
  auto predictor = NewPredictor(model);
  Learn(*predictor, model);
  here_count = 0;
  Predict(*predictor, model, 1);
  EXPECT_EQ(here_count, 1);
  slow = true;
  Predict(*predictor, model, 5);
  EXPECT_EQ(here_count, 2);  // one surprise, then no more
}

TEST_F(SchedulingPredictorTest, ACallFromInsideAnInlineAnswerQueues) {
  std::atomic<int> here_count{0};
  const auto here = std::this_thread::get_id();
  ScriptedModel model([&](const auto& run, auto* outputs) {
    if (std::this_thread::get_id() == here) ++here_count;
    return ScriptedModel::Echo(run, outputs);
  });
  auto predictor = NewPredictor(model);
  Learn(*predictor, model);
  here_count = 0;
  PredictCall outer = NewCall(model, true);
  const size_t before = answers_.count();
  outer.sink = predict::ResponseSink(
      [&](absl::StatusOr<predict::PredictResponse>) { predictor->Predict(NewCall(model, true)); });
  predictor->Predict(std::move(outer));
  answers_.WaitFor(before + 1);
  EXPECT_EQ(here_count, 1);
  Predict(*predictor, model, 1);  // and afterwards inline again
  EXPECT_EQ(here_count, 2);
}

TEST_F(SchedulingPredictorTest, DoesNotRunInlineWithoutAFreeInstance) {
  Gate gate;
  std::atomic<bool> blocked{false};
  ScriptedModel model(
      [&](const auto& run, auto* outputs) {
        if (blocked) gate.Pass();
        return ScriptedModel::Echo(run, outputs);
      },
      /*max_instances=*/1);
  auto predictor = NewPredictor(model);
  Learn(*predictor, model);
  const size_t before = answers_.count();
  blocked = true;
  predictor->Predict(NewCall(model, false));
  gate.WaitForArrivals(1);
  predictor->Predict(NewCall(model, true));  // would block here for ever
  EXPECT_EQ(answers_.count(), before);
  gate.Open();
  for (const absl::Status& status : answers_.WaitFor(before + 2)) EXPECT_TRUE(status.ok());
  predictor.reset();
  EXPECT_FALSE(model.shared_instance);
}

TEST_F(SchedulingPredictorTest, CountsTheBytesOfStringsAsInputs) {
  ScriptedModel model;
  auto predictor = NewPredictor(model);
  const std::string_view text = "0123456789abcdef";
  PredictCall call = NewCall(model, false);
  call.request.inputs = {tensor::Tensor::FromStrings({1}, std::span(&text, 1))};
  predictor->Predict(std::move(call));
  answers_.WaitFor(1);
  while (predictor->costs().Of(0, 32).samples == 0) std::this_thread::yield();
}

// Every way into the predictor at once, under ThreadSanitizer in CI: loops that may run inline,
// calls that expire or are cancelled, a limited model beside an unlimited one, versions that come
// and go, and the stop at the end.
TEST(SchedulingStressTest, AnswersEveryCallExactlyOnce) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 3;
  constexpr int kCalls = 300;
  Answers answers;
  ScriptedModel tiny;
  ScriptedModel limited(ScriptedModel::Echo, 1);
  {
    LaneScheduler scheduler({.threads = 2, .max_queued_calls = 50});
    for (int round = 0; round < kRounds; ++round) {
      const auto stack = [&](ScriptedModel& model) {
        auto leaf =
            std::make_unique<predict::EnginePredictor>(predict::EnginePredictor::Options{}, &model);
        const uint32_t limit = leaf->max_concurrent_runs();
        return std::make_shared<SchedulingPredictor>(
            SchedulingPredictor::Options{.model = "m", .max_concurrent_runs = limit},
            model.signatures(), &scheduler, std::move(leaf));
      };
      const auto first = stack(tiny);
      const auto second = stack(limited);
      std::vector<std::thread> threads;
      for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
          for (int i = 0; i < kCalls; ++i) {
            ScriptedModel& model = i % 3 == 0 ? limited : tiny;
            PredictCall call;
            call.context.may_run_inline = (i + t) % 4 != 0;
            call.context.cancellation = std::make_shared<predict::Cancellation>();
            const auto cancellation = call.context.cancellation;
            if (i % 7 == 0) call.context.deadline = absl::Now() + absl::Microseconds(50);
            call.request = model.NewRequest();
            call.sink = answers.NewSink();
            (i % 3 == 0 ? second : first)->Predict(std::move(call));
            if (i % 5 == 0) cancellation->Cancel();
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
      if (round + 1 == kRounds) scheduler.Stop();
    }
  }
  EXPECT_EQ(answers.count(), size_t{kThreads} * kRounds * kCalls);
  EXPECT_FALSE(limited.shared_instance);
  EXPECT_EQ(limited.instances, 0);
}

}  // namespace
}  // namespace baton::scheduling
