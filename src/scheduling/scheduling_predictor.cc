#include "scheduling/scheduling_predictor.h"

#include <utility>

#include "base/strings.h"
#include "scheduling/input_bytes.h"

namespace baton::scheduling {
namespace {

// An answer may start the next call of the same connection. That one queues instead of running
// inside this one: the stack stays flat and the loop gets back to its other connections.
thread_local bool running_inline = false;

std::vector<std::string> Names(const engine::SignatureTable& signatures) {
  std::vector<std::string> names;
  names.reserve(signatures.all().size());
  for (const engine::Signature& signature : signatures.all()) names.push_back(signature.name);
  return names;
}

}  // namespace

SchedulingPredictor::SchedulingPredictor(Options options, const engine::SignatureTable& signatures,
                                         LaneScheduler* scheduler,
                                         std::unique_ptr<predict::Predictor> next)
    : options_(std::move(options)),
      next_(std::move(next)),
      costs_(signatures.all().size()),
      lanes_(scheduler->NewLanes({
          .name = base::StrCat("model \"", options_.model, "\" version ", options_.version),
          .signatures = Names(signatures),
          .max_concurrent_runs = options_.max_concurrent_runs,
          .next = next_.get(),
          .costs = &costs_,
      })) {}

void SchedulingPredictor::Predict(predict::PredictCall call) {
  const uint32_t signature = call.request.signature->index;
  const uint64_t input_bytes = InputBytes(call.request);
  if (call.context.may_run_inline && !running_inline && IsShort(signature, input_bytes) &&
      lanes_->TryEnter()) {
    RunHere(input_bytes, std::move(call));
    return;
  }
  lanes_->Submit(signature, input_bytes, std::move(call));
}

bool SchedulingPredictor::IsShort(uint32_t signature, uint64_t input_bytes) const {
  const CostModel::Estimate estimate = costs_.Of(signature, input_bytes);
  return estimate.samples >= options_.min_samples && estimate.upper < options_.inline_below;
}

void SchedulingPredictor::RunHere(uint64_t input_bytes, predict::PredictCall call) {
  const uint32_t signature = call.request.signature->index;
  const absl::Time start = options_.clock->Now();
  running_inline = true;
  next_->Predict(std::move(call));
  running_inline = false;
  costs_.Observe(signature, input_bytes, options_.clock->Now() - start);
  lanes_->Leave();
}

}  // namespace baton::scheduling
