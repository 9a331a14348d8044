#pragma once

#include <cstddef>

namespace baton::tf_engine {

// Gives the free memory of the engine's CPU allocator, which every session uses, back to the
// kernel.
void ReturnFreeTensorMemory();

// Of large tensors, which malloc does not know of.
size_t TensorBytesInUse();

}  // namespace baton::tf_engine
