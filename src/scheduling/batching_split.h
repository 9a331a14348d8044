#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "scheduling/batching_task.h"

namespace baton::scheduling {

// Cuts a task into pieces of so many rows each, which may run in different batches. Their inputs
// are views of the task's. The task is answered when all pieces are: with their outputs one after
// the other, or with the first error. REQUIRES: `sizes` are positive and sum up to task.rows.
std::vector<BatchTask> SplitTask(BatchTask task, std::span<const int64_t> sizes);

}  // namespace baton::scheduling
