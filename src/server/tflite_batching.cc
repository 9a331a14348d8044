#include "server/tflite_batching.h"

#include <algorithm>

namespace baton::server {
namespace {

constexpr int64_t kMaxRows = 500;
constexpr int64_t kBatchesPerInterpreter = 100;

// The batch size that the model's first input is fixed to; 0: none.
int64_t FixedRows(const engine::Model& model) {
  for (const engine::Signature& signature : model.signatures().all()) {
    for (const engine::Port& input : signature.inputs) {
      return input.shape.dims.empty() ? 0 : std::max<int64_t>(0, input.shape.dims[0]);
    }
  }
  return 0;
}

}  // namespace

scheduling::BatchingOptions TfliteBatching(int64_t interpreters, const engine::Model& model) {
  const int64_t fixed = FixedRows(model);
  scheduling::BatchingOptions options;
  options.max_batch_size = kMaxRows;
  options.max_enqueued_batches = interpreters * kBatchesPerInterpreter;
  options.num_batch_threads = interpreters;
  options.enable_large_batch_splitting = true;
  options.max_execution_batch_size =
      fixed > 1 ? std::min(fixed, kMaxRows) : (kMaxRows + interpreters - 1) / interpreters;
  return options;
}

}  // namespace baton::server
