#include "frontend/http/rest_examples.h"

#include <utility>
#include <variant>

#include "codec/grpc/model_codec.h"
#include "codec/rest/example_codec.h"
#include "frontend/http/rest_log.h"

namespace baton::frontend::http {
namespace {

using service::ExamplePlan;

absl::StatusOr<ExamplePlan> MakePlan(ExampleVerb verb, const service::Session& session,
                                     std::string_view signature_name,
                                     const ExamplePlan::Options& options) {
  const auto text = [&session](const engine::Signature& signature) {
    return codec::grpc::SignatureDefText(session.model(), signature);
  };
  return verb == ExampleVerb::kClassify
             ? ExamplePlan::Classify(session.signatures(), signature_name, options, text)
             : ExamplePlan::Regress(session.signatures(), signature_name, options, text);
}

absl::StatusOr<base::Buffer> ResultText(const predict::TaskResult& result) {
  if (const auto* classes = std::get_if<predict::Classifications>(&result.value)) {
    return codec::rest::EncodeClassifications(*classes);
  }
  return codec::rest::EncodeRegressions(std::get<predict::Regressions>(result.value));
}

std::unique_ptr<const RestLog> NewLog(ExampleVerb verb, const service::InferenceService& inference,
                                      const service::Session& session, const ExamplePlan& plan,
                                      const tensor::Tensor& examples) {
  return RestLog::ForExamples(inference, session,
                              verb == ExampleVerb::kClassify ? codec::grpc::LogType::kClassify
                                                             : codec::grpc::LogType::kRegress,
                              *plan.signature(), examples);
}

}  // namespace

void AnswerExamples(ExampleVerb verb, const service::InferenceService& inference,
                    const predict::ModelSpec& spec, const ExamplePlan::Options& options,
                    base::Buffer body, RestCallPtr call) {
  // Unlike a predict body, this one is read whole before the model is looked up.
  absl::StatusOr<codec::rest::ExampleBody> question =
      codec::rest::ExampleBody::Parse(std::move(body));
  if (!question.ok()) return call->FinishError(question.status());
  absl::StatusOr<service::Session> session = inference.Begin(spec);
  if (!session.ok()) return call->FinishError(session.status());
  absl::StatusOr<ExamplePlan> plan = MakePlan(verb, *session, question->signature_name, options);
  call->SetServable(session->id().name, session->id().version,
                    plan.ok() ? plan->signature()->name : "");
  if (!plan.ok()) return call->FinishError(plan.status());
  auto log = NewLog(verb, inference, *session, *plan, question->examples);
  absl::StatusOr<predict::PredictRequest> request = plan->Feed(std::move(question->examples));
  if (!request.ok()) return call->FinishError(request.status());

  // The sink holds the lease on the version, and with it the plan's signatures.
  predict::CallContext context = call->context();
  call->BeginRun();
  std::move(*session).Run(std::move(context), *std::move(request),
                          [call = std::move(call), plan = *std::move(plan), log = std::move(log)](
                              absl::StatusOr<predict::PredictResponse> response) {
                            call->EndRun();
                            if (!response.ok()) return call->FinishError(response.status());
                            const absl::StatusOr<ExamplePlan::Results> results =
                                plan.Read(*response);
                            if (!results.ok()) return call->FinishError(results.status());
                            absl::StatusOr<base::Buffer> text = ResultText((*results)[0]);
                            if (!text.ok()) return call->FinishError(text.status());
                            if (log != nullptr) log->LogExamples((*results)[0]);
                            call->FinishJson(*std::move(text));
                          });
}

}  // namespace baton::frontend::http
