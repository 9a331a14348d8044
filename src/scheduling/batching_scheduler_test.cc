#include "scheduling/batching_scheduler.h"

#include <atomic>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "predict/scripted_engine.h"
#include "testing/fake_clock.h"

namespace baton::scheduling {
namespace {

using predict::Answers;
using predict::Gate;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Does what the test says, then answers OK.
class ScriptedRunner final : public BatchRunner {
 public:
  explicit ScriptedRunner(std::function<void(const Batch&)> script = {})
      : script_(std::move(script)) {}
  void RunBatch(Batch batch) override {
    if (script_) script_(batch);
    for (BatchTask& task : batch.tasks) task.call.sink.Finish(predict::PredictResponse());
  }

 private:
  const std::function<void(const Batch&)> script_;
};

BatchKey KeyOf(uint32_t signature_index, std::vector<uint32_t> inputs = {0},
               std::vector<uint32_t> outputs = {0}) {
  engine::Signature signature;
  signature.index = signature_index;
  predict::PredictRequest request;
  request.signature = &signature;
  request.input_ports = std::move(inputs);
  request.output_ports = std::move(outputs);
  return BatchKey(request);
}

BatchQueueSet::Options Queues(BatchRunner* runner, int64_t max_batch_size = 4,
                              absl::Duration timeout = absl::ZeroDuration()) {
  return {.name = "model \"m\" version 3",
          .limits = {.max_task_rows = max_batch_size,
                     .max_batch_size = max_batch_size,
                     .timeout = timeout},
          .runner = runner};
}

TEST(BatchKeyTest, IsTheInputsAndTheSetOfOutputs) {
  EXPECT_EQ(KeyOf(0, {0, 1}, {2, 1, 2}), KeyOf(0, {0, 1}, {1, 2}));
  EXPECT_EQ(BatchKey::Hash()(KeyOf(0, {0}, {2, 1})), BatchKey::Hash()(KeyOf(0, {0}, {1, 2})));
  for (const BatchKey& other : {KeyOf(1), KeyOf(0, {1}), KeyOf(0, {0, 1}), KeyOf(0, {0}, {1}),
                                KeyOf(0, {0}, {0, 1}), KeyOf(0, {}, {0, 0}), KeyOf(0, {0}, {})}) {
    EXPECT_FALSE(KeyOf(0) == other);
  }
}

TEST(BatchKeyTest, TellsPortsOfSeveralSignaturesApart) {
  engine::Signature first, second;
  second.index = 1;
  predict::PredictRequest request;
  request.signature = &first;
  request.input_ports = {0};
  request.output_ports = {0};
  const BatchKey plain(request);
  request.input_signatures = {&first};
  request.output_signatures = {&first};
  EXPECT_EQ(BatchKey(request), plain);
  request.output_signatures = {&second};
  EXPECT_FALSE(BatchKey(request) == plain);
}

class BatchingSchedulerTest : public ::testing::Test {
 protected:
  BatchTask NewTask(int64_t rows = 1,
                    std::shared_ptr<predict::Cancellation> cancellation = nullptr) {
    BatchTask task;
    task.call.context.cancellation = std::move(cancellation);
    task.call.sink = answers_.NewSink();
    task.rows = rows;
    task.bytes = 8;
    return task;
  }

  baton::testing::FakeClock clock_;
  Answers answers_;
};

TEST_F(BatchingSchedulerTest, QueuesWithReadyBatchesTakeTurns) {
  std::vector<std::string> order;
  const auto note = [&order](std::string name) {
    return [&order, name](const Batch& batch) {
      order.push_back(base::StrCat(name, batch.tasks.size()));
    };
  };
  ScriptedRunner first(note("first ")), second(note("second "));
  BatchingScheduler scheduler({.threads = 0, .clock = &clock_});
  auto a = scheduler.NewQueues(Queues(&first, 2));
  auto b = scheduler.NewQueues(Queues(&second, 2));
  for (int i = 0; i < 5; ++i) a->Submit(KeyOf(0), NewTask());
  b->Submit(KeyOf(0), NewTask());
  for (int i = 0; i < 2; ++i) a->Submit(KeyOf(1), NewTask());
  EXPECT_EQ(scheduler.queued_calls(), 8u);
  EXPECT_EQ(scheduler.queued_bytes(), 64u);
  while (scheduler.RunReadyBatch()) {
  }
  EXPECT_THAT(order, ElementsAre("first 2", "second 1", "first 2", "first 2", "first 1"));
  EXPECT_EQ(scheduler.queued_calls(), 0u);
  EXPECT_EQ(scheduler.queued_bytes(), 0u);
  EXPECT_EQ(answers_.count(), 8u);
}

TEST_F(BatchingSchedulerTest, ABatchThatIsNotFullWaitsForItsTime) {
  ScriptedRunner runner;
  BatchingScheduler scheduler({.threads = 0, .clock = &clock_});
  auto queues = scheduler.NewQueues(Queues(&runner, 4, absl::Milliseconds(3)));
  queues->Submit(KeyOf(0), NewTask());
  clock_.Advance(absl::Milliseconds(2));
  queues->Submit(KeyOf(0), NewTask());
  EXPECT_FALSE(scheduler.RunReadyBatch());
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_TRUE(scheduler.RunReadyBatch());
  EXPECT_EQ(answers_.count(), 2u);
}

TEST_F(BatchingSchedulerTest, ThreadsRunABatchWhenItsTimeIsOver) {
  ScriptedRunner runner;
  BatchingScheduler scheduler({.threads = 2});
  auto queues = scheduler.NewQueues(Queues(&runner, 4, absl::Milliseconds(20)));
  const absl::Time start = absl::Now();
  queues->Submit(KeyOf(0), NewTask());
  answers_.WaitFor(1);
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(20));
}

TEST_F(BatchingSchedulerTest, AnEarlierTimeThanTheOneWatchedIsKept) {
  ScriptedRunner runner;
  BatchingScheduler scheduler({.threads = 2});
  auto patient = scheduler.NewQueues(Queues(&runner, 4, absl::Hours(2)));
  auto eager = scheduler.NewQueues(Queues(&runner, 4, absl::Milliseconds(2)));
  patient->Submit(KeyOf(0), NewTask());
  for (size_t round = 1; round <= 20; ++round) {
    eager->Submit(KeyOf(0), NewTask());
    answers_.WaitFor(round);
  }
  // And the patient one still runs when it is full.
  patient->Submit(KeyOf(0), NewTask(3));
  answers_.WaitFor(22);
}

TEST_F(BatchingSchedulerTest, TheTimeOfABatchBehindAFullOneIsKept) {
  ScriptedRunner runner;
  BatchingScheduler scheduler({.threads = 3});
  auto patient = scheduler.NewQueues(Queues(&runner, 4, absl::Hours(2)));
  auto queues = scheduler.NewQueues(Queues(&runner, 4, absl::Milliseconds(2)));
  patient->Submit(KeyOf(0), NewTask());
  for (size_t round = 1; round <= 20; ++round) {
    queues->Submit(KeyOf(0), NewTask(4));
    queues->Submit(KeyOf(0), NewTask(1));
    answers_.WaitFor(2 * round);
  }
}

TEST_F(BatchingSchedulerTest, WhoeverWatchedTheTimePassesItOnBeforeARun) {
  Gate gate;
  ScriptedRunner long_runs([&](const Batch&) { gate.Pass(); });
  ScriptedRunner runner;
  BatchingScheduler scheduler({.threads = 2});
  auto first = scheduler.NewQueues(Queues(&long_runs, 4, absl::Milliseconds(2)));
  auto second = scheduler.NewQueues(Queues(&runner, 4, absl::Milliseconds(20)));
  first->Submit(KeyOf(0), NewTask());
  second->Submit(KeyOf(0), NewTask());
  answers_.WaitFor(1);  // of the second: the first one's run ends later
  gate.Open();
  answers_.WaitFor(2);
}

TEST_F(BatchingSchedulerTest, AWaitOfAgesDoesNotSpin) {
  ScriptedRunner runner;
  std::atomic<int> looks{0};
  class CountingClock final : public base::Clock {
   public:
    explicit CountingClock(std::atomic<int>* looks) : looks_(looks) {}
    absl::Time Now() const override {
      ++*looks_;
      return absl::Now();
    }

   private:
    std::atomic<int>* const looks_;
  } clock(&looks);
  BatchingScheduler scheduler({.threads = 1, .clock = &clock});
  auto queues = scheduler.NewQueues(
      Queues(&runner, 2, absl::Microseconds(std::numeric_limits<int64_t>::max())));
  auto others = scheduler.NewQueues(Queues(&runner, 2));
  queues->Submit(KeyOf(0), NewTask());
  for (size_t round = 1; round <= 10; ++round) {
    others->Submit(KeyOf(0), NewTask());
    answers_.WaitFor(round);
  }
  EXPECT_LT(looks, 100);
}

TEST_F(BatchingSchedulerTest, AFreeThreadRunsABatchAtOnceWithoutATimeout) {
  Gate gate;
  std::vector<size_t> sizes;
  ScriptedRunner runner([&](const Batch& batch) {
    sizes.push_back(batch.tasks.size());
    gate.Pass();
  });
  BatchingScheduler scheduler({.threads = 1});
  auto queues = scheduler.NewQueues(Queues(&runner, 4));
  queues->Submit(KeyOf(0), NewTask());
  gate.WaitForArrivals(1);
  for (int i = 0; i < 3; ++i) queues->Submit(KeyOf(0), NewTask());  // collect while it is busy
  EXPECT_EQ(scheduler.running_batches(), 1u);
  gate.Open();
  answers_.WaitFor(4);
  scheduler.Stop();
  EXPECT_THAT(sizes, ElementsAre(1, 3));
}

TEST_F(BatchingSchedulerTest, EveryThreadIsUsedWhileThereAreBatches) {
  Gate gate;
  ScriptedRunner runner([&](const Batch&) { gate.Pass(); });
  BatchingScheduler scheduler({.threads = 4});
  auto queues = scheduler.NewQueues(Queues(&runner, 1));
  for (int i = 0; i < 4; ++i) queues->Submit(KeyOf(0), NewTask());
  gate.WaitForArrivals(4);
  gate.Open();
  answers_.WaitFor(4);
}

TEST_F(BatchingSchedulerTest, RunsNoMoreBatchesOfAServableAtOnceThanItsLimit) {
  Gate gate;
  ScriptedRunner limited([&](const Batch&) { gate.Pass(); });
  ScriptedRunner free;
  BatchingScheduler scheduler({.threads = 3});
  BatchQueueSet::Options options = Queues(&limited, 1);
  options.max_concurrent_runs = 1;
  auto queues = scheduler.NewQueues(options);
  auto others = scheduler.NewQueues(Queues(&free));
  queues->Submit(KeyOf(0), NewTask());
  queues->Submit(KeyOf(1), NewTask());
  gate.WaitForArrivals(1);
  others->Submit(KeyOf(0), NewTask());  // passes by: the threads are free
  answers_.WaitFor(1);
  EXPECT_EQ(gate.arrived(), 1);
  gate.Open();
  answers_.WaitFor(3);
}

TEST_F(BatchingSchedulerTest, AnswersWhatIsQueuedWhenItStopsAndWhatComesLater) {
  ScriptedRunner runner;
  BatchingScheduler scheduler({.threads = 1});
  auto queues = scheduler.NewQueues(Queues(&runner, 4, absl::Hours(1)));
  queues->Submit(KeyOf(0), NewTask());
  queues->Submit(KeyOf(1), NewTask());
  scheduler.Stop();
  EXPECT_EQ(answers_.count(), 2u);
  queues->Submit(KeyOf(0), NewTask());
  for (const absl::Status& status : answers_.WaitFor(3)) {
    EXPECT_EQ(status, absl::UnavailableError(
                          "model \"m\" version 3 takes no more requests: it is being stopped"));
  }
}

TEST_F(BatchingSchedulerTest, QueuesMayOutliveTheScheduler) {
  ScriptedRunner runner;
  std::unique_ptr<BatchQueueSet> queues;
  {
    BatchingScheduler scheduler({.threads = 1});
    queues = scheduler.NewQueues(Queues(&runner));
  }
  queues->Submit(KeyOf(0), NewTask());
  EXPECT_TRUE(absl::IsUnavailable(answers_.WaitFor(1)[0]));
}

TEST_F(BatchingSchedulerTest, DestroyingTheQueuesAnswersTheirTasksAndWaitsForTheirRuns) {
  Gate gate;
  std::atomic<bool> destroyed{false};
  bool outlived_its_queues = false;
  ScriptedRunner runner([&](const Batch&) {
    gate.Pass();
    for (int i = 0; i < 100; ++i) std::this_thread::yield();  // time for a destroyer in a hurry
    outlived_its_queues = destroyed;
  });
  BatchingScheduler scheduler({.threads = 1});
  auto queues = scheduler.NewQueues(Queues(&runner, 1));
  queues->Submit(KeyOf(0), NewTask());
  gate.WaitForArrivals(1);
  queues->Submit(KeyOf(0), NewTask());
  std::thread destroyer([&] {
    queues.reset();
    destroyed = true;
  });
  EXPECT_TRUE(absl::IsUnavailable(answers_.WaitFor(1)[0]));
  gate.Open();
  destroyer.join();
  EXPECT_FALSE(outlived_its_queues);
  EXPECT_EQ(answers_.count(), 2u);
}

TEST_F(BatchingSchedulerTest, AnIdleQueueMakesRoomForANewOneAndABusyOneDoesNot) {
  ScriptedRunner runner;
  BatchingScheduler scheduler({.threads = 0, .clock = &clock_});
  BatchQueueSet::Options options = Queues(&runner);
  options.max_queues = 2;
  auto queues = scheduler.NewQueues(options);
  for (uint32_t i = 0; i < 50; ++i) {
    queues->Submit(KeyOf(i), NewTask());
    EXPECT_TRUE(scheduler.RunReadyBatch());
  }
  EXPECT_EQ(answers_.count(), 50u);
  queues->Submit(KeyOf(1), NewTask());
  queues->Submit(KeyOf(2), NewTask());
  EXPECT_EQ(answers_.count(), 50u);
  queues->Submit(KeyOf(3), NewTask());
  EXPECT_EQ(answers_.WaitFor(51)[50],
            absl::UnavailableError("model \"m\" version 3: requests for too many different sets of "
                                   "inputs and outputs wait, the limit is 2"));
  queues->Submit(KeyOf(1), NewTask());  // to the ones that are there
  EXPECT_EQ(answers_.count(), 51u);
}

TEST_F(BatchingSchedulerTest, MakesRoomInAFullQueueByDroppingCancelledTasks) {
  ScriptedRunner runner;
  BatchingScheduler scheduler({.threads = 0, .clock = &clock_});
  BatchQueueSet::Options options = Queues(&runner, 1);
  options.limits.max_enqueued_batches = 2;
  auto queues = scheduler.NewQueues(options);
  auto cancellation = std::make_shared<predict::Cancellation>();
  queues->Submit(KeyOf(0), NewTask(1, cancellation));
  queues->Submit(KeyOf(0), NewTask(1, cancellation));
  cancellation->Cancel();
  queues->Submit(KeyOf(0), NewTask());
  const auto statuses = answers_.WaitFor(2);
  EXPECT_EQ(statuses[0].code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(statuses[1].code(), absl::StatusCode::kCancelled);
  queues->Submit(KeyOf(0), NewTask());
  queues->Submit(KeyOf(0), NewTask());
  EXPECT_THAT(base::Message(answers_.WaitFor(3)[2]), HasSubstr("currently 2 batches enqueued"));
  EXPECT_EQ(scheduler.queued_calls(), 2u);
}

// Many clients, models that come and go, and a stop in the middle of it: every task is answered
// once, and nothing hangs.
TEST(BatchingSchedulerStressTest, LosesNothing) {
  constexpr int kClients = 4;
  constexpr int kTasks = 1500;
  for (const bool stop : {false, true}) {
    std::atomic<int> answered{0};
    ScriptedRunner runner([](const Batch& batch) {
      int64_t size = 0;
      for (const BatchTask& task : batch.tasks) size += task.size();
      EXPECT_EQ(size, batch.size);
      EXPECT_LE(size, 8);
    });
    BatchingScheduler scheduler({.threads = 3});
    const absl::Duration kTimeouts[] = {absl::ZeroDuration(), absl::Microseconds(50),
                                        absl::Microseconds(300), absl::Milliseconds(2)};
    std::vector<std::thread> clients;
    for (int c = 0; c < kClients; ++c) {
      clients.emplace_back([&, c] {
        std::unique_ptr<BatchQueueSet> queues;
        for (int i = 0; i < kTasks; ++i) {
          if (i % 300 == 0) {
            BatchQueueSet::Options options = Queues(&runner, 8, kTimeouts[c]);
            options.max_concurrent_runs = static_cast<uint32_t>(c % 2);
            queues = scheduler.NewQueues(options);
          }
          BatchTask task;
          task.rows = i % 5;
          task.call.sink = predict::ResponseSink(
              [&answered](absl::StatusOr<predict::PredictResponse>) { ++answered; });
          queues->Submit(KeyOf(static_cast<uint32_t>(i % 3)), std::move(task));
          if (i % 50 == 0) std::this_thread::yield();
        }
      });
    }
    if (stop) scheduler.Stop();
    for (std::thread& client : clients) client.join();
    scheduler.Stop();
    EXPECT_EQ(answered, kClients * kTasks);
    EXPECT_EQ(scheduler.queued_calls(), 0u);
    EXPECT_EQ(scheduler.running_batches(), 0u);
  }
}

}  // namespace
}  // namespace baton::scheduling
