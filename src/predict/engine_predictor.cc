#include "predict/engine_predictor.h"

#include <utility>
#include <vector>

#include "base/status_macros.h"

namespace baton::predict {

EnginePredictor::EnginePredictor(Options options, engine::Model* model)
    : options_(options), pool_(model, options.max_instances) {}

void EnginePredictor::Predict(PredictCall call) {
  absl::StatusOr<PredictResponse> result = Run(call);
  // Inputs may be views of memory that the outputs share: they live until the answer is out.
  call.sink.Finish(std::move(result));
}

absl::Status EnginePredictor::Prepare(uint32_t instances) {
  std::vector<InstancePool::Lease> leases;
  while (leases.size() < instances) {
    BATON_ASSIGN_OR_RETURN(InstancePool::Lease lease, pool_.TryLease());
    if (!lease) break;  // the model allows no more
    leases.push_back(std::move(lease));
  }
  return absl::OkStatus();
}

absl::StatusOr<PredictResponse> EnginePredictor::Run(const PredictCall& call) {
  const CallContext& context = call.context;
  BATON_RETURN_IF_ERROR(CheckAwaited(context, options_.clock->Now()));
  BATON_ASSIGN_OR_RETURN(InstancePool::Lease lease, context.may_run_inline
                                                        ? pool_.TryLease()
                                                        : pool_.WaitForLease(context.deadline));
  if (!lease) {
    if (!context.may_run_inline) return TimedOut();
    return absl::UnavailableError("all instances of the model are busy");
  }
  PredictResponse response;
  const engine::RunRequest run{
      .signature = call.request.signature,
      .input_ports = call.request.input_ports,
      .inputs = call.request.inputs,
      .output_ports = call.request.output_ports,
      .input_signatures = call.request.input_signatures,
      .output_signatures = call.request.output_signatures,
      .deadline = context.deadline,
      .threads = options_.threads_per_run,
      .cancelled = context.cancellation != nullptr ? context.cancellation->flag() : nullptr,
  };
  BATON_RETURN_IF_ERROR(lease->Execute(run, &response.outputs));
  if (response.outputs.size() != call.request.output_ports.size()) {
    return absl::UnknownError("Predict internal error");
  }
  return response;
}

}  // namespace baton::predict
