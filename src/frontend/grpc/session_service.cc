#include "frontend/grpc/session_service.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "codec/grpc/log_codec.h"
#include "codec/grpc/session_codec.h"
#include "service/session_tensors.h"

namespace baton::frontend::grpc {
namespace {

using codec::grpc::SessionRunView;

absl::Status CheckServed(const SessionRunView& view) {
  if (!view.spec) return absl::InvalidArgumentError("Missing ModelSpec");
  if (!view.targets.empty()) {
    return absl::UnimplementedError(
        "SessionRun with targets is not served: an operator without a result is no output of a "
        "signature");
  }
  if (view.wants_trace) {
    return absl::UnimplementedError(
        "SessionRun with a trace is not served; use tensorflow.ProfilerService");
  }
  if (view.fetches.empty()) return absl::InvalidArgumentError("SessionRun without a fetch");
  return absl::OkStatus();
}

// The run, over the signatures that declare the tensors.
absl::StatusOr<predict::PredictRequest> Bind(const SessionRunView& view,
                                             const base::Buffer& message,
                                             const service::Session& session) {
  const engine::Signature* aliases_of = nullptr;
  if (view.names_are_aliases) {
    aliases_of = session.signatures().Find(view.spec->signature_name);
    if (aliases_of == nullptr) {
      return absl::FailedPreconditionError(
          base::StrCat("Serving signature key \"", view.spec->signature_name, "\" not found."));
    }
  }
  std::vector<std::string_view> feeds;
  for (const SessionRunView::Feed& feed : view.feeds) feeds.push_back(feed.name);
  BATON_ASSIGN_OR_RETURN(service::SessionTensors inputs,
                         service::FindFeeds(session.signatures(), aliases_of, feeds));
  BATON_ASSIGN_OR_RETURN(service::SessionTensors outputs,
                         service::FindFetches(session.signatures(), aliases_of, view.fetches));
  BATON_ASSIGN_OR_RETURN(std::vector<tensor::Tensor> tensors,
                         codec::grpc::ReadFeeds(view, message));
  predict::PredictRequest request;
  request.signature = outputs.signatures[0];
  request.input_ports = std::move(inputs.ports);
  request.input_signatures = std::move(inputs.signatures);
  request.inputs = std::move(tensors);
  request.output_ports = std::move(outputs.ports);
  request.output_signatures = std::move(outputs.signatures);
  return request;
}

}  // namespace

void SessionService::Register(GrpcHandler& handler) const {
  handler.AddUnary("/tensorflow.serving.SessionService/SessionRun",
                   [this](UnaryCallPtr call) { SessionRun(std::move(call)); });
}

void SessionService::SessionRun(UnaryCallPtr call) const {
  const absl::StatusOr<SessionRunView> view =
      codec::grpc::ParseSessionRunRequest(call->message().view());
  if (!view.ok()) return call->FinishError(view.status());
  if (const absl::Status status = CheckServed(*view); !status.ok()) {
    return call->FinishError(status);
  }
  absl::StatusOr<service::Session> session = inference_->Begin(*view->spec);
  if (!session.ok()) return call->FinishError(session.status());
  call->SetServable(session->id().name, session->id().version, "");
  absl::StatusOr<predict::PredictRequest> request = Bind(*view, call->message(), *session);
  if (!request.ok()) return call->FinishError(request.status());

  predict::CallContext context = call->context();
  context.deadline = std::min(context.deadline, context.arrival + view->timeout);
  lifecycle::ServableHandle handle = session->handle();
  std::vector<std::string> fetches(view->fetches.begin(), view->fetches.end());
  std::move(*session).Run(
      std::move(context), *std::move(request),
      [call = std::move(call), handle = std::move(handle), fetches = std::move(fetches),
       signature_name = std::string(view->spec->signature_name),
       inference = inference_](absl::StatusOr<predict::PredictResponse> response) {
        if (!response.ok()) return call->FinishError(response.status());
        const absl::StatusOr<std::string> message =
            codec::grpc::EncodeSessionRunResponse(handle->id(), signature_name, fetches, *response);
        if (!message.ok()) return call->FinishError(message.status());
        if (const auto logger = inference->SampleLogger(handle->id().name)) {
          codec::grpc::LogCall(*logger, {.type = codec::grpc::LogType::kSessionRun,
                                         .id = handle->id(),
                                         .signature_name = signature_name,
                                         .request = call->message(),
                                         .response = {base::Buffer::Copy(*message)}});
        }
        call->FinishMessage(*message);
      });
}

}  // namespace baton::frontend::grpc
