#include "scheduling/batching_queue.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "scheduling/batching_split.h"

namespace baton::scheduling {
namespace {

constexpr std::string_view kFull =
    "The batch scheduling queue to which this task was submitted is full; ";

}  // namespace

absl::Status BatchingQueue::Add(BatchTask& task, absl::Time now) {
  BATON_RETURN_IF_ERROR(CheckCapacity(task));
  const int64_t left = LeftInOpenBatch();
  if (!limits_.may_split || task.rows <= left ||
      (left == 0 && task.rows <= limits_.max_batch_size)) {
    Append(std::move(task), now);
    return absl::OkStatus();
  }
  std::vector<int64_t> sizes;
  if (left > 0) sizes.push_back(left);
  for (int64_t rest = task.rows - left; rest > 0; rest -= sizes.back()) {
    sizes.push_back(std::min(rest, limits_.max_batch_size));
  }
  for (BatchTask& piece : SplitTask(std::move(task), sizes)) Append(std::move(piece), now);
  return absl::OkStatus();
}

absl::Status BatchingQueue::CheckCapacity(const BatchTask& task) const {
  if (task.rows > limits_.max_task_rows) {
    return absl::InvalidArgumentError(base::StrCat("Task size ", task.rows,
                                                   " is larger than maximum input batch size ",
                                                   limits_.max_task_rows));
  }
  if (limits_.may_split) {
    if (task.size() > Capacity()) {
      return absl::UnavailableError(
          base::StrCat(kFull, "task size is ", task.rows, " but scheduling capacity is only ",
                       Capacity(), " (num_enqueued_batches=", enqueued_batches(),
                       ", max_enqueued_batches=", limits_.max_enqueued_batches,
                       ", open_batch_size=", limits_.max_batch_size - LeftInOpenBatch(),
                       ", max_execution_batch_size=", limits_.max_batch_size, ")"));
    }
  } else if (task.size() > LeftInOpenBatch() &&
             enqueued_batches() >= limits_.max_enqueued_batches) {
    return absl::UnavailableError(base::StrCat(kFull, "currently ", enqueued_batches(),
                                               " batches enqueued and max_enqueued_batches is ",
                                               limits_.max_enqueued_batches));
  }
  if (!empty() &&
      (task.bytes > limits_.max_queued_bytes || bytes_ > limits_.max_queued_bytes - task.bytes)) {
    return absl::UnavailableError(base::StrCat(
        kFull, "it holds ", bytes_, " bytes of inputs and may hold ", limits_.max_queued_bytes));
  }
  return absl::OkStatus();
}

// An empty queue has one batch, open and empty, as far as limits and texts are concerned.
int64_t BatchingQueue::enqueued_batches() const {
  return std::max<int64_t>(1, static_cast<int64_t>(batches_.size()));
}

int64_t BatchingQueue::LeftInOpenBatch() const {
  return empty() ? limits_.max_batch_size : limits_.max_batch_size - batches_.back().size;
}

int64_t BatchingQueue::Capacity() const {
  int64_t capacity = 0;
  if (__builtin_mul_overflow(limits_.max_enqueued_batches - enqueued_batches(),
                             limits_.max_batch_size, &capacity) ||
      __builtin_add_overflow(capacity, LeftInOpenBatch(), &capacity)) {
    return std::numeric_limits<int64_t>::max();
  }
  return capacity;
}

void BatchingQueue::Append(BatchTask task, absl::Time now) {
  if (empty() || task.size() > LeftInOpenBatch()) batches_.push_back({.opened = now});
  ++tasks_;
  bytes_ += task.bytes;
  batches_.back().size += task.size();
  batches_.back().tasks.push_back(std::move(task));
}

absl::Time BatchingQueue::ReadyAt() const {
  if (empty()) return absl::InfiniteFuture();
  const Batch& first = batches_.front();
  if (batches_.size() > 1 || first.size >= limits_.max_batch_size) return absl::InfinitePast();
  return first.opened + limits_.timeout;
}

Batch BatchingQueue::Take() {
  BATON_CHECK(!empty());
  Batch batch = std::move(batches_.front());
  batches_.pop_front();
  for (const BatchTask& task : batch.tasks) Forget(task);
  return batch;
}

std::vector<BatchTask> BatchingQueue::TakeCancelled() {
  std::vector<BatchTask> taken;
  for (Batch& batch : batches_) {
    const auto cancelled =
        std::stable_partition(batch.tasks.begin(), batch.tasks.end(),
                              [](const BatchTask& task) { return !task.call.context.cancelled(); });
    for (auto task = cancelled; task != batch.tasks.end(); ++task) {
      batch.size -= task->size();
      Forget(*task);
      taken.push_back(std::move(*task));
    }
    batch.tasks.erase(cancelled, batch.tasks.end());
  }
  std::erase_if(batches_, [](const Batch& batch) { return batch.tasks.empty(); });
  return taken;
}

std::vector<BatchTask> BatchingQueue::TakeAll() {
  std::vector<BatchTask> taken;
  taken.reserve(tasks_);
  while (!empty()) {
    Batch batch = Take();
    std::move(batch.tasks.begin(), batch.tasks.end(), std::back_inserter(taken));
  }
  return taken;
}

void BatchingQueue::Forget(const BatchTask& task) {
  --tasks_;
  bytes_ -= task.bytes;
}

}  // namespace baton::scheduling
