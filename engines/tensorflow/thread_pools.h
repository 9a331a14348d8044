#pragma once

#include <cstdint>

#include "tensorflow/core/platform/threadpool_options.h"

namespace baton::tf_engine {

// The pools for one run: none for one thread, where kernels compute in the calling thread; else a
// view of at most `threads` threads of one pool that the whole process shares.
tensorflow::thread::ThreadPoolOptions PoolsFor(uint32_t threads);

}  // namespace baton::tf_engine
