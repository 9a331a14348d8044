#include "frontend/grpc/prediction_service.h"

#include <utility>

#include "base/strings.h"
#include "codec/grpc/model_codec.h"
#include "codec/grpc/predict_codec.h"
#include "frontend/grpc/grpc_message.h"

namespace baton::frontend::grpc {
namespace {

const absl::Status& MissingModelSpec() {
  static const absl::Status& status =
      *new absl::Status(absl::StatusCode::kInvalidArgument, "Missing ModelSpec");
  return status;
}

}  // namespace

void PredictionService::Register(GrpcHandler& handler) const {
  const std::string service = "/tensorflow.serving.PredictionService/";
  handler.AddUnary(service + "Predict", [this](UnaryCallPtr call) { Predict(std::move(call)); });
  handler.AddUnary(service + "GetModelMetadata",
                   [this](const UnaryCallPtr& call) { GetModelMetadata(call); });
}

void PredictionService::Predict(UnaryCallPtr call) const {
  absl::StatusOr<codec::grpc::PredictRequestView> view =
      codec::grpc::ParsePredictRequest(call->message().view());
  if (!view.ok()) return call->FinishError(view.status());
  if (!view->spec) return call->FinishError(MissingModelSpec());

  absl::StatusOr<service::Session> session = inference_->Begin(*view->spec);
  if (!session.ok()) return call->FinishError(session.status());
  const std::string_view name =
      view->spec->signature_name.empty() ? engine::kDefaultSignature : view->spec->signature_name;
  const engine::Signature* signature = session->signatures().Find(name);
  if (signature == nullptr) {
    call->SetServable(session->id().name, session->id().version, "");
    return call->FinishError(absl::FailedPreconditionError(
        base::StrCat("Serving signature key \"", name, "\" not found.")));
  }
  call->SetServable(session->id().name, session->id().version, signature->name);

  absl::StatusOr<predict::PredictRequest> request =
      codec::grpc::BindPredictRequest(*view, call->message(), *signature);
  if (!request.ok()) return call->FinishError(request.status());

  lifecycle::ServableHandle handle = session->handle();
  std::vector<uint32_t> ports = request->output_ports;
  predict::CallContext context = call->context();
  std::move(*session).Run(
      std::move(context), *std::move(request),
      [call = std::move(call), handle = std::move(handle), ports = std::move(ports), signature,
       encoding = options_.encoding](absl::StatusOr<predict::PredictResponse> result) {
        if (!result.ok()) return call->FinishError(result.status());
        call->FinishMessage(codec::grpc::EncodePredictResponse(handle->id(), *signature, ports,
                                                               *result, encoding, kPrefixBytes));
      });
}

void PredictionService::GetModelMetadata(const UnaryCallPtr& call) const {
  absl::StatusOr<codec::grpc::MetadataRequest> request =
      codec::grpc::ParseMetadataRequest(call->message().view());
  if (!request.ok()) return call->FinishError(request.status());
  if (!request->spec) return call->FinishError(MissingModelSpec());
  if (request->fields.empty()) {
    return call->FinishError(absl::InvalidArgumentError(
        "GetModelMetadataRequest must specify at least one metadata_field"));
  }
  for (const std::string& field : request->fields) {
    if (field != "signature_def") {
      return call->FinishError(
          absl::InvalidArgumentError(base::StrCat("Metadata field ", field, " is not supported")));
    }
  }
  absl::StatusOr<service::Session> session = inference_->Begin(request->spec->view());
  if (!session.ok()) return call->FinishError(session.status());
  call->SetServable(session->id().name, session->id().version, "");
  absl::StatusOr<std::string> response =
      codec::grpc::EncodeMetadataResponse(session->id(), session->model());
  if (!response.ok()) return call->FinishError(response.status());
  call->FinishMessage(*response);
}

}  // namespace baton::frontend::grpc
