#pragma once

#include <cstdint>

#include "predict/call.h"

namespace baton::scheduling {

// Memory that a queued request keeps alive with its inputs, the bytes of strings included.
uint64_t InputBytes(const predict::PredictRequest& request);

}  // namespace baton::scheduling
