#pragma once

#include <cstdint>

#include "engine/engine.h"
#include "scheduling/batching_options.h"

namespace baton::server {

// The batcher that TensorFlow Serving puts inside a TFLite model with several interpreters per pool
// (--num_tflite_interpreters_per_pool, contract §11): requests of up to 500 rows are cut into runs
// of the model's fixed batch size, or of an even share for each interpreter. Pure.
scheduling::BatchingOptions TfliteBatching(int64_t interpreters, const engine::Model& model);

}  // namespace baton::server
