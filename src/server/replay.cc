#include "server/replay.h"

#include <optional>

#include "absl/time/clock.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "codec/grpc/model_codec.h"
#include "codec/grpc/predict_codec.h"
#include "predict/validate.h"

namespace baton::server {
namespace {

using codec::grpc::LogType;
using service::ExamplePlan;
using Result = absl::StatusOr<predict::PredictResponse>;

// An answer on its way to the thread that waits for it.
class Answer {
 public:
  void Set(Result result) {
    base::MutexLock lock(mutex_);
    result_.emplace(std::move(result));
    is_set_.NotifyAll();
  }
  Result Wait() {
    base::MutexLock lock(mutex_);
    while (!result_.has_value()) is_set_.Wait(mutex_);
    return *std::move(result_);
  }

 private:
  base::Mutex mutex_;
  base::CondVar is_set_;
  std::optional<Result> result_ ABSL_GUARDED_BY(mutex_);
};

std::string_view NameOf(const std::optional<predict::ModelSpec>& spec) {
  return spec.has_value() ? spec->name : std::string_view();
}
std::string_view SignatureOf(const std::optional<predict::ModelSpec>& spec) {
  return spec.has_value() ? spec->signature_name : std::string_view();
}

auto TextOf(const engine::Model& model) {
  return [&model](const engine::Signature& signature) {
    return codec::grpc::SignatureDefText(model, signature);
  };
}

}  // namespace

absl::Status Replay::Run(const codec::grpc::PredictionLogView& log) const {
  switch (log.type) {
    case LogType::kNone:
      return absl::OkStatus();
    case LogType::kPredict:
      return Predict(log.request);
    case LogType::kClassify:
      return Classify(log.request);
    case LogType::kRegress:
      return Regress(log.request);
    case LogType::kMultiInference:
      return MultiInference(log.request);
    case LogType::kSessionRun:
    case LogType::kPredictStreamed:
      break;
  }
  return absl::UnimplementedError(
      base::StrCat("Unsupported log_type for warmup: ", static_cast<uint32_t>(log.type)));
}

absl::Status Replay::Predict(const base::Buffer& message) const {
  BATON_ASSIGN_OR_RETURN(const codec::grpc::PredictRequestView view,
                         codec::grpc::ParsePredictRequest(message.view()));
  const std::string_view asked = SignatureOf(view.spec);
  const std::string_view name = asked.empty() ? engine::kDefaultSignature : asked;
  const engine::Signature* signature = target_.model->signatures().Find(name);
  if (signature == nullptr) {
    return absl::FailedPreconditionError(
        base::StrCat("Serving signature key \"", name, "\" not found."));
  }
  if (target_.check_method_name) {
    BATON_RETURN_IF_ERROR(service::CheckPredictMethodName(*signature));
  }
  BATON_ASSIGN_OR_RETURN(predict::PredictRequest request,
                         codec::grpc::BindPredictRequest(view, message, *signature));
  return RunAndWait(std::move(request), NameOf(view.spec), "Predict").status();
}

absl::Status Replay::Classify(const base::Buffer& message) const {
  BATON_ASSIGN_OR_RETURN(const codec::grpc::ExampleRequestView view,
                         codec::grpc::ParseClassificationRequest(message.view()));
  return RunPlan(ExamplePlan::Classify(target_.model->signatures(), SignatureOf(view.spec),
                                       {.check_method_name = target_.check_method_name},
                                       TextOf(*target_.model)),
                 view.examples, message, NameOf(view.spec), "Classify");
}

absl::Status Replay::Regress(const base::Buffer& message) const {
  BATON_ASSIGN_OR_RETURN(const codec::grpc::ExampleRequestView view,
                         codec::grpc::ParseRegressionRequest(message.view()));
  return RunPlan(ExamplePlan::Regress(target_.model->signatures(), SignatureOf(view.spec),
                                      {.check_method_name = target_.check_method_name},
                                      TextOf(*target_.model)),
                 view.examples, message, NameOf(view.spec), "Regress");
}

absl::Status Replay::MultiInference(const base::Buffer& message) const {
  BATON_ASSIGN_OR_RETURN(const codec::grpc::MultiInferenceRequestView view,
                         codec::grpc::ParseMultiInferenceRequest(message.view()));
  return RunPlan(ExamplePlan::MultiInference(target_.model->signatures(), view.tasks,
                                             {.check_method_name = target_.check_method_name},
                                             TextOf(*target_.model)),
                 view.examples, message, {}, {});
}

absl::Status Replay::RunPlan(absl::StatusOr<ExamplePlan> plan,
                             const codec::grpc::ExamplesView& view, const base::Buffer& message,
                             std::string_view model_name, std::string_view api) const {
  if (!plan.ok()) return plan.status();
  BATON_ASSIGN_OR_RETURN(tensor::Tensor examples, codec::grpc::ReadExamples(view, message));
  BATON_ASSIGN_OR_RETURN(predict::PredictRequest request, plan->Feed(std::move(examples)));
  BATON_ASSIGN_OR_RETURN(const predict::PredictResponse response,
                         RunAndWait(std::move(request), model_name, api));
  return plan->Read(response).status();
}

Result Replay::RunAndWait(predict::PredictRequest request, std::string_view model_name,
                          std::string_view api) const {
  BATON_RETURN_IF_ERROR(predict::ValidateRequest(request));
  const absl::Time begin = absl::Now();
  // Shared: the callback may still be leaving it when the answer has been taken.
  const auto answer = std::make_shared<Answer>();
  target_.predictor->Predict(
      {{.arrival = begin, .cancellation = target_.cancellation},
       std::move(request),
       predict::ResponseSink([answer](Result result) { answer->Set(std::move(result)); })});
  Result result = answer->Wait();
  if (result.ok() && target_.metrics != nullptr && !api.empty()) {
    target_.metrics->RuntimeLatency(model_name, api)
        .Observe(absl::ToDoubleMicroseconds(absl::Now() - begin));
  }
  return result;
}

}  // namespace baton::server
