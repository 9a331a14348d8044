#include "service/inference_service.h"

#include <utility>

#include "base/status_macros.h"
#include "predict/validate.h"

namespace baton::service {

void Session::Run(predict::CallContext context, predict::PredictRequest request,
                  predict::ResponseSink::Callback done) && {
  const absl::Status valid = predict::ValidateRequest(request);
  // A predictor must live until Predict returns, and the answer may come, and end the sink's lease,
  // before that.
  const lifecycle::ServableHandle running = handle_;
  predict::ResponseSink sink(std::move(done), std::move(handle_));
  if (!valid.ok()) {
    sink.Finish(valid);
    return;
  }
  running->predictor().Predict({std::move(context), std::move(request), std::move(sink)});
}

absl::StatusOr<Session> InferenceService::Begin(const predict::ModelSpec& spec) const {
  BATON_ASSIGN_OR_RETURN(lifecycle::ServableHandle handle, registry_->Resolve(spec));
  return Session(std::move(handle));
}

}  // namespace baton::service
