#include "frontend/grpc/prediction_service.h"

#include <utility>

#include "base/strings.h"
#include "codec/grpc/log_codec.h"
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

using codec::grpc::LogType;
using service::ExamplePlan;

ExamplePlan::Options PlanOptions(const PredictionService::Options& options) {
  return {.check_method_name = options.check_method_name};
}

auto TextOf(const service::Session& session) {
  return [&session](const engine::Signature& signature) {
    return codec::grpc::SignatureDefText(session.model(), signature);
  };
}

// Finds the model; a name that has none is noted for the metrics.
absl::StatusOr<service::Session> Begin(const service::InferenceService& inference,
                                       const predict::ModelSpec& spec, UnaryCall& call) {
  absl::StatusOr<service::Session> session = inference.Begin(spec);
  if (!session.ok()) call.SetRequestedModel(spec.name);
  return session;
}

// Answers with a framed message, and logs the call where its model's requests are logged.
void LogAndFinish(const service::InferenceService& inference, LogType type,
                  const lifecycle::ServableId& id, const engine::Signature& signature,
                  UnaryCall& call, std::vector<base::Buffer> message) {
  if (const auto logger = inference.SampleLogger(id.name)) {
    codec::grpc::LogCall(*logger, {.type = type,
                                   .id = id,
                                   .signature_name = signature.name,
                                   .request = call.message(),
                                   .response = message,
                                   .prefix_bytes = kPrefixBytes});
  }
  call.FinishMessage(std::move(message));
}

// Runs what was planned over the examples of the call's message and answers with what `encode`
// makes of the results.
template <typename Encode>
void RunPlan(const service::InferenceService& inference, LogType type, service::Session session,
             absl::StatusOr<ExamplePlan> plan, const codec::grpc::ExamplesView& view,
             UnaryCallPtr call, Encode encode) {
  call->SetServable(session.id().name, session.id().version,
                    plan.ok() && plan->signature() != nullptr ? plan->signature()->name : "");
  if (!plan.ok()) return call->FinishError(plan.status());
  absl::StatusOr<tensor::Tensor> examples = codec::grpc::ReadExamples(view, call->message());
  if (!examples.ok()) return call->FinishError(examples.status());
  absl::StatusOr<predict::PredictRequest> request = plan->Feed(*std::move(examples));
  if (!request.ok()) return call->FinishError(request.status());

  lifecycle::ServableHandle handle = session.handle();
  predict::CallContext context = call->context();
  call->BeginRun();
  std::move(session).Run(
      std::move(context), *std::move(request),
      [&inference, type, call = std::move(call), handle = std::move(handle),
       plan = *std::move(plan), encode](absl::StatusOr<predict::PredictResponse> response) {
        call->EndRun();
        if (!response.ok()) return call->FinishError(response.status());
        const absl::StatusOr<ExamplePlan::Results> results = plan.Read(*response);
        if (!results.ok()) return call->FinishError(results.status());
        std::vector<base::Buffer> message;
        message.push_back(encode(handle->id(), plan, *results));
        LogAndFinish(inference, type, handle->id(), *plan.signature(), *call, std::move(message));
      });
}

}  // namespace

void PredictionService::Register(GrpcHandler& handler) const {
  const std::string service = "/tensorflow.serving.PredictionService/";
  handler.AddUnary(service + "Predict", [this](UnaryCallPtr call) { Predict(std::move(call)); });
  handler.AddUnary(service + "Classify", [this](UnaryCallPtr call) { Classify(std::move(call)); });
  handler.AddUnary(service + "Regress", [this](UnaryCallPtr call) { Regress(std::move(call)); });
  handler.AddUnary(service + "MultiInference",
                   [this](UnaryCallPtr call) { MultiInference(std::move(call)); });
  handler.AddUnary(service + "GetModelMetadata",
                   [this](const UnaryCallPtr& call) { GetModelMetadata(call); });
}

void PredictionService::Predict(UnaryCallPtr call) const {
  absl::StatusOr<codec::grpc::PredictRequestView> view =
      codec::grpc::ParsePredictRequest(call->message().view());
  if (!view.ok()) return call->FinishError(view.status());
  if (!view->spec) return call->FinishError(MissingModelSpec());

  absl::StatusOr<service::Session> session = Begin(*inference_, *view->spec, *call);
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
  if (options_.check_method_name) {
    const absl::Status status = service::CheckPredictMethodName(*signature);
    if (!status.ok()) return call->FinishError(status);
  }

  absl::StatusOr<predict::PredictRequest> request =
      codec::grpc::BindPredictRequest(*view, call->message(), *signature);
  if (!request.ok()) return call->FinishError(request.status());

  lifecycle::ServableHandle handle = session->handle();
  std::vector<uint32_t> ports = request->output_ports;
  predict::CallContext context = call->context();
  call->BeginRun();
  std::move(*session).Run(
      std::move(context), *std::move(request),
      [call = std::move(call), handle = std::move(handle), ports = std::move(ports), signature,
       encoding = options_.encoding,
       inference = inference_](absl::StatusOr<predict::PredictResponse> result) {
        call->EndRun();
        if (!result.ok()) return call->FinishError(result.status());
        LogAndFinish(*inference, LogType::kPredict, handle->id(), *signature, *call,
                     codec::grpc::EncodePredictResponse(handle->id(), *signature, ports, *result,
                                                        encoding, kPrefixBytes));
      });
}

void PredictionService::Classify(UnaryCallPtr call) const {
  const auto view = codec::grpc::ParseClassificationRequest(call->message().view());
  if (!view.ok()) return call->FinishError(view.status());
  if (!view->spec) return call->FinishError(MissingModelSpec());
  absl::StatusOr<service::Session> session = Begin(*inference_, *view->spec, *call);
  if (!session.ok()) return call->FinishError(session.status());
  auto plan = ExamplePlan::Classify(session->signatures(), view->spec->signature_name,
                                    PlanOptions(options_), TextOf(*session));
  RunPlan(
      *inference_, LogType::kClassify, *std::move(session), std::move(plan), view->examples,
      std::move(call),
      [](const lifecycle::ServableId& id, const ExamplePlan&, const ExamplePlan::Results& results) {
        return codec::grpc::EncodeClassificationResponse(
            id, results[0].signature_name, std::get<predict::Classifications>(results[0].value),
            kPrefixBytes);
      });
}

void PredictionService::Regress(UnaryCallPtr call) const {
  const auto view = codec::grpc::ParseRegressionRequest(call->message().view());
  if (!view.ok()) return call->FinishError(view.status());
  if (!view->spec) return call->FinishError(MissingModelSpec());
  absl::StatusOr<service::Session> session = Begin(*inference_, *view->spec, *call);
  if (!session.ok()) return call->FinishError(session.status());
  auto plan = ExamplePlan::Regress(session->signatures(), view->spec->signature_name,
                                   PlanOptions(options_), TextOf(*session));
  RunPlan(
      *inference_, LogType::kRegress, *std::move(session), std::move(plan), view->examples,
      std::move(call),
      [](const lifecycle::ServableId& id, const ExamplePlan&, const ExamplePlan::Results& results) {
        return codec::grpc::EncodeRegressionResponse(
            id, results[0].signature_name, std::get<predict::Regressions>(results[0].value),
            kPrefixBytes);
      });
}

void PredictionService::MultiInference(UnaryCallPtr call) const {
  const auto view = codec::grpc::ParseMultiInferenceRequest(call->message().view());
  if (!view.ok()) return call->FinishError(view.status());
  // The first task says which model; without one the name is empty, and refused as such.
  predict::ModelSpec spec;
  if (!view->tasks.empty() && view->tasks[0].spec) spec = *view->tasks[0].spec;
  absl::StatusOr<service::Session> session = Begin(*inference_, spec, *call);
  if (!session.ok()) return call->FinishError(session.status());
  auto plan = ExamplePlan::MultiInference(session->signatures(), view->tasks, PlanOptions(options_),
                                          TextOf(*session));
  RunPlan(*inference_, LogType::kMultiInference, *std::move(session), std::move(plan),
          view->examples, std::move(call),
          [metrics = options_.metrics](const lifecycle::ServableId& id, const ExamplePlan& plan,
                                       const ExamplePlan::Results& results) {
            if (metrics != nullptr) metrics->CountExamples(id.name, plan.num_examples());
            return codec::grpc::EncodeMultiInferenceResponse(id, results, kPrefixBytes);
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
  absl::StatusOr<service::Session> session = Begin(*inference_, request->spec->view(), *call);
  if (!session.ok()) return call->FinishError(session.status());
  call->SetServable(session->id().name, session->id().version, "");
  absl::StatusOr<std::string> response =
      codec::grpc::EncodeMetadataResponse(session->id(), session->model());
  if (!response.ok()) return call->FinishError(response.status());
  call->FinishMessage(*response);
}

}  // namespace baton::frontend::grpc
