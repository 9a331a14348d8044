#include "scheduling/batching_queue.h"

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "predict/scripted_engine.h"

namespace baton::scheduling {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

const absl::Time kStart = absl::UnixEpoch() + absl::Hours(1);

// Rows are only numbers here.
BatchTask NewTask(int64_t rows, uint64_t bytes = 0,
                  std::shared_ptr<predict::Cancellation> cancellation = nullptr) {
  BatchTask task;
  task.call.context.cancellation = std::move(cancellation);
  task.rows = rows;
  task.bytes = bytes;
  return task;
}

std::vector<int64_t> RowsOf(const Batch& batch) {
  std::vector<int64_t> rows;
  for (const BatchTask& task : batch.tasks) rows.push_back(task.rows);
  return rows;
}

std::vector<std::vector<int64_t>> TakeRows(BatchingQueue& queue) {
  std::vector<std::vector<int64_t>> batches;
  while (!queue.empty()) batches.push_back(RowsOf(queue.Take()));
  return batches;
}

TEST(BatchingQueueTest, ClosesABatchWhenTheNextTaskDoesNotFit) {
  const struct {
    std::vector<int64_t> added;
    std::vector<std::vector<int64_t>> batches;
  } kCases[] = {
      {{1, 1, 1}, {{1, 1, 1}}},
      {{4, 1}, {{4}, {1}}},
      {{3, 2, 2, 1}, {{3}, {2, 2}, {1}}},
      {{0, 4}, {{0}, {4}}},
      {{0, 0, 0, 0, 0}, {{0, 0, 0, 0}, {0}}},  // a task without rows takes a place
  };
  for (const auto& c : kCases) {
    BatchingQueue queue({.max_task_rows = 4, .max_batch_size = 4});
    for (int64_t rows : c.added) {
      BatchTask task = NewTask(rows);
      EXPECT_TRUE(queue.Add(task, kStart).ok());
    }
    EXPECT_EQ(queue.tasks(), c.added.size());
    EXPECT_THAT(TakeRows(queue), ElementsAreArray(c.batches));
    EXPECT_EQ(queue.tasks(), 0u);
  }
}

TEST(BatchingQueueTest, ABatchIsReadyWhenItIsFullOrFollowedOrOldEnough) {
  const absl::Duration timeout = absl::Milliseconds(5);
  const struct {
    std::vector<int64_t> added;  // one each millisecond
    absl::Time ready_at;
  } kCases[] = {
      {{}, absl::InfiniteFuture()},   {{1}, kStart + timeout},
      {{1, 1}, kStart + timeout},  // the first task counts
      {{0}, kStart + timeout},        {{4}, absl::InfinitePast()},
      {{2, 2}, absl::InfinitePast()}, {{2, 3}, absl::InfinitePast()},
  };
  for (const auto& c : kCases) {
    BatchingQueue queue({.max_task_rows = 4, .max_batch_size = 4, .timeout = timeout});
    absl::Time now = kStart;
    for (int64_t rows : c.added) {
      BatchTask task = NewTask(rows);
      ASSERT_TRUE(queue.Add(task, now).ok());
      now += absl::Milliseconds(1);
    }
    EXPECT_EQ(queue.ReadyAt(), c.ready_at);
  }
}

TEST(BatchingQueueTest, TheNextBatchIsAsOldAsItsOwnFirstTask) {
  BatchingQueue queue({.max_task_rows = 4, .max_batch_size = 4, .timeout = absl::Milliseconds(5)});
  BatchTask first = NewTask(3);
  BatchTask second = NewTask(3);
  ASSERT_TRUE(queue.Add(first, kStart).ok());
  ASSERT_TRUE(queue.Add(second, kStart + absl::Milliseconds(2)).ok());
  queue.Take();
  EXPECT_EQ(queue.ReadyAt(), kStart + absl::Milliseconds(7));
}

struct RefusalCase {
  BatchingQueue::Limits limits;
  std::vector<int64_t> queued;
  int64_t rows;
  absl::Status status;
};

absl::Status Full(std::string_view why) {
  return absl::UnavailableError(
      base::StrCat("The batch scheduling queue to which this task was submitted is full; ", why));
}

TEST(BatchingQueueTest, RefusesInTensorFlowServingsWords) {
  const BatchingQueue::Limits plain = {
      .max_task_rows = 4, .max_batch_size = 4, .max_enqueued_batches = 2};
  const BatchingQueue::Limits split = {
      .max_task_rows = 8, .max_batch_size = 3, .max_enqueued_batches = 2, .may_split = true};
  BatchingQueue::Limits one = plain;
  one.max_enqueued_batches = 1;
  const RefusalCase kCases[] = {
      {plain, {}, 4, absl::OkStatus()},
      {plain,
       {},
       5,
       absl::InvalidArgumentError("Task size 5 is larger than maximum input batch size 4")},
      {plain, {4}, 4, absl::OkStatus()},
      {plain, {4, 3}, 1, absl::OkStatus()},
      {plain, {4, 4}, 1, Full("currently 2 batches enqueued and max_enqueued_batches is 2")},
      {plain, {4, 4}, 0, Full("currently 2 batches enqueued and max_enqueued_batches is 2")},
      {plain, {4, 3}, 2, Full("currently 2 batches enqueued and max_enqueued_batches is 2")},
      {one, {3}, 1, absl::OkStatus()},
      {one, {3}, 2, Full("currently 1 batches enqueued and max_enqueued_batches is 1")},
      {split,
       {},
       9,
       absl::InvalidArgumentError("Task size 9 is larger than maximum input batch size 8")},
      {split,
       {},
       7,
       Full("task size is 7 but scheduling capacity is only 6 (num_enqueued_batches=1, "
            "max_enqueued_batches=2, open_batch_size=0, max_execution_batch_size=3)")},
      {split,
       {3, 1},
       3,
       Full("task size is 3 but scheduling capacity is only 2 (num_enqueued_batches=2, "
            "max_enqueued_batches=2, open_batch_size=1, max_execution_batch_size=3)")},
  };
  for (const RefusalCase& c : kCases) {
    BatchingQueue queue(c.limits);
    for (int64_t rows : c.queued) {
      BatchTask task = NewTask(rows);
      ASSERT_TRUE(queue.Add(task, kStart).ok());
    }
    BatchTask task = NewTask(c.rows);
    EXPECT_EQ(queue.Add(task, kStart), c.status);
  }
}

TEST(BatchingQueueTest, LimitsTheBytesOfInputsButTakesALargeTaskWhenItIsEmpty) {
  BatchingQueue queue({.max_queued_bytes = 100});
  BatchTask large = NewTask(1, 500);
  EXPECT_TRUE(queue.Add(large, kStart).ok());
  BatchTask small = NewTask(1, 1);
  EXPECT_EQ(queue.Add(small, kStart), Full("it holds 500 bytes of inputs and may hold 100"));
  queue.Take();
  EXPECT_EQ(queue.bytes(), 0u);
  EXPECT_TRUE(queue.Add(small, kStart).ok());
  EXPECT_EQ(queue.bytes(), 1u);
}

TEST(BatchingQueueTest, NumbersThatNobodyCanReachDoNotOverflow) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  BatchingQueue queue({.max_task_rows = kMost,
                       .max_batch_size = kMost,
                       .max_enqueued_batches = kMost,
                       .may_split = true});
  for (int i = 0; i < 3; ++i) {
    BatchTask task = NewTask(1);
    EXPECT_TRUE(queue.Add(task, kStart).ok());
  }
  EXPECT_EQ(queue.batches(), 1u);
}

TEST(BatchingQueueTest, SplitsATaskAtTheEndOfTheOpenBatch) {
  const struct {
    std::vector<int64_t> added;
    std::vector<std::vector<int64_t>> batches;
  } kCases[] = {
      {{3}, {{3}}},
      {{2, 1}, {{2, 1}}},
      {{2, 2}, {{2, 1}, {1}}},
      {{3, 4}, {{3}, {3}, {1}}},
      {{8}, {{3}, {3}, {2}}},
      {{1, 8}, {{1, 2}, {3}, {3}}},
      {{1, 0, 4}, {{1, 0, 1}, {3}}},
  };
  for (const auto& c : kCases) {
    predict::Answers answers;
    {
      BatchingQueue queue({.max_task_rows = 8, .max_batch_size = 3, .may_split = true});
      for (int64_t rows : c.added) {
        BatchTask task = NewTask(rows);
        const std::vector<float> values(static_cast<size_t>(rows), 1);
        task.call.request.inputs = {
            tensor::Tensor::FromValues<float>(tensor::DType::kFloat, {rows}, values)};
        task.call.sink = answers.NewSink();
        ASSERT_TRUE(queue.Add(task, kStart).ok());
      }
      EXPECT_THAT(TakeRows(queue), ElementsAreArray(c.batches));
    }
    // However many pieces died, each task was answered once.
    EXPECT_EQ(answers.count(), c.added.size());
  }
}

TEST(BatchingQueueTest, GivesUpWhatWasCancelled) {
  auto cancellation = std::make_shared<predict::Cancellation>();
  BatchingQueue queue({.max_task_rows = 2, .max_batch_size = 2});
  for (int i = 0; i < 2; ++i) {
    BatchTask kept = NewTask(1, 10);
    BatchTask cancelled = NewTask(1, 10, cancellation);
    ASSERT_TRUE(queue.Add(kept, kStart).ok());
    ASSERT_TRUE(queue.Add(cancelled, kStart).ok());
  }
  BatchTask last = NewTask(2, 10, cancellation);
  ASSERT_TRUE(queue.Add(last, kStart).ok());
  EXPECT_TRUE(queue.TakeCancelled().empty());
  cancellation->Cancel();
  EXPECT_EQ(queue.TakeCancelled().size(), 3u);
  EXPECT_EQ(queue.tasks(), 2u);
  EXPECT_EQ(queue.bytes(), 20u);
  EXPECT_EQ(queue.batches(), 2u);
  BatchTask next = NewTask(1);
  ASSERT_TRUE(queue.Add(next, kStart).ok());  // into the place that became free
  EXPECT_THAT(TakeRows(queue), ElementsAre(ElementsAre(1), ElementsAre(1, 1)));
}

TEST(BatchingQueueTest, GivesBackEverythingInOrder) {
  BatchingQueue queue({.max_task_rows = 2, .max_batch_size = 2});
  for (int64_t rows : {1, 2, 1}) {
    BatchTask task = NewTask(rows, 5);
    ASSERT_TRUE(queue.Add(task, kStart).ok());
  }
  std::vector<int64_t> rows;
  for (const BatchTask& task : queue.TakeAll()) rows.push_back(task.rows);
  EXPECT_THAT(rows, ElementsAre(1, 2, 1));
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.bytes(), 0u);
}

}  // namespace
}  // namespace baton::scheduling
