#pragma once

#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "predict/call.h"

namespace baton::scheduling {

// One request, or one piece of a split request, on its way into a batch.
struct BatchTask {
  predict::PredictCall call = {};
  int64_t rows = 0;
  uint64_t bytes = 0;  // of inputs
  absl::Time enqueued = {};

  // What the task takes of a batch's limit: one without rows counts too, or a queue could hold any
  // number of them.
  int64_t size() const { return rows > 0 ? rows : 1; }
};

// Tasks that run together.
struct Batch {
  std::vector<BatchTask> tasks = {};
  int64_t size = 0;        // sum of the tasks'
  absl::Time opened = {};  // when the first task came
};

}  // namespace baton::scheduling
