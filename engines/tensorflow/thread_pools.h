#pragma once

#include <cstdint>

#include "tensorflow/core/platform/threadpool_options.h"

namespace baton::tf_engine {

// The pools for one run: none for one thread, where kernels compute in the calling thread; else a
// view of as many threads of a pool that the whole process shares. `granted`: by the host, no more
// than the machine has; `chosen`: by the operator, instead of it unless 0.
tensorflow::thread::ThreadPoolOptions PoolsFor(uint32_t granted, uint32_t chosen);

}  // namespace baton::tf_engine
