#include "service/example_plan.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "service/example_results.h"
#include "service/graph_tensor.h"

namespace baton::service {
namespace {

using engine::Signature;

constexpr std::string_view kInputs = "inputs";
constexpr std::string_view kClasses = "classes";
constexpr std::string_view kScores = "scores";
constexpr std::string_view kOutputs = "outputs";

std::string_view NameOrDefault(std::string_view name) {
  return name.empty() ? engine::kDefaultSignature : name;
}

absl::Status CheckMethodName(const Signature& signature, std::string_view kind,
                             std::string_view expected) {
  if (signature.method_name == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(base::StrCat("Expected ", kind, " signature method_name to be ",
                                                 expected, ". Was: ", signature.method_name));
}

absl::Status CheckClassify(const Signature& signature, const ExamplePlan::Options& options,
                           ExamplePlan::SignatureText text) {
  if (options.check_method_name) {
    BATON_RETURN_IF_ERROR(
        CheckMethodName(signature, "classification", predict::kClassifyMethodName));
  }
  if (signature.inputs.size() != 1) {
    return absl::InvalidArgumentError("Expected one input Tensor.");
  }
  if (signature.outputs.size() != 1 && signature.outputs.size() != 2) {
    return absl::InvalidArgumentError(
        base::StrCat("Expected one or two output Tensors, found ", signature.outputs.size()));
  }
  if (!signature.FindInput(kInputs)) {
    return absl::InvalidArgumentError(
        base::StrCat("No classification inputs found in SignatureDef: ", text(signature)));
  }
  if (!signature.FindOutput(kClasses) && !signature.FindOutput(kScores)) {
    return absl::InvalidArgumentError(base::StrCat(
        "Expected classification signature outputs to contain at least one of \"classes\" or "
        "\"scores\". Signature was: ",
        text(signature)));
  }
  return absl::OkStatus();
}

absl::Status CheckRegress(const Signature& signature, const ExamplePlan::Options& options,
                          ExamplePlan::SignatureText text) {
  if (options.check_method_name) {
    BATON_RETURN_IF_ERROR(CheckMethodName(signature, "regression", predict::kRegressMethodName));
  }
  if (signature.inputs.size() != 1) {
    return absl::InvalidArgumentError("Expected one input Tensor.");
  }
  if (signature.outputs.size() != 1) {
    return absl::InvalidArgumentError("Expected one output Tensor.");
  }
  if (!signature.FindInput(kInputs)) {
    return absl::InvalidArgumentError(
        base::StrCat("No regression inputs found in SignatureDef: ", text(signature)));
  }
  if (!signature.FindOutput(kOutputs)) {
    return absl::InvalidArgumentError(
        base::StrCat("No regression outputs found in SignatureDef: ", text(signature)));
  }
  return absl::OkStatus();
}

// Two signatures of a model often share a tensor.
bool IsSameTensor(const engine::Port& a, const engine::Port& b) {
  return IsSameGraphTensor(a.tensor_name, b.tensor_name);
}

}  // namespace

absl::StatusOr<ExamplePlan> ExamplePlan::Classify(const engine::SignatureTable& signatures,
                                                  std::string_view signature_name,
                                                  const Options& options, SignatureText text) {
  return ForOne(Method::kClassify, signatures, signature_name, options, text);
}

absl::StatusOr<ExamplePlan> ExamplePlan::Regress(const engine::SignatureTable& signatures,
                                                 std::string_view signature_name,
                                                 const Options& options, SignatureText text) {
  return ForOne(Method::kRegress, signatures, signature_name, options, text);
}

absl::StatusOr<ExamplePlan> ExamplePlan::ForOne(Method method,
                                                const engine::SignatureTable& signatures,
                                                std::string_view signature_name,
                                                const Options& options, SignatureText text) {
  const Signature* signature = signatures.Find(signature_name);
  if (signature == nullptr) {
    return absl::InvalidArgumentError(
        base::StrCat("No signature was found with the name: ", NameOrDefault(signature_name)));
  }
  ExamplePlan plan;
  BATON_RETURN_IF_ERROR(plan.Add(method, *signature, options, text));
  return plan;
}

absl::StatusOr<ExamplePlan> ExamplePlan::MultiInference(
    const engine::SignatureTable& signatures, std::span<const predict::InferenceTask> tasks,
    const Options& options, SignatureText text) {
  // What looking for the model without a task comes to, too.
  if (tasks.empty()) return absl::InvalidArgumentError("ModelSpec has no name specified.");
  ExamplePlan plan;
  for (const predict::InferenceTask& task : tasks) {
    const predict::ModelSpec spec = task.spec.value_or(predict::ModelSpec{});
    if (spec.name.empty()) {
      return absl::InvalidArgumentError("Found ModelSpec with an empty model name.");
    }
    if (spec.name != tasks[0].spec->name) {
      return absl::InvalidArgumentError(
          "All ModelSpecs in a MultiInferenceRequest must access the same model name.");
    }
    const Signature* signature = signatures.Find(spec.signature_name);
    if (signature == nullptr) {
      return absl::InvalidArgumentError(base::StrCat(
          "Requested signature not found in model graph: ", NameOrDefault(spec.signature_name)));
    }
    const auto same = [&](const Task& earlier) { return earlier.signature == signature; };
    if (std::any_of(plan.tasks_.begin(), plan.tasks_.end(), same)) {
      return absl::InvalidArgumentError(
          base::StrCat("Duplicate evaluation of signature: ", signature->name));
    }
    if (task.method_name == predict::kClassifyMethodName) {
      BATON_RETURN_IF_ERROR(plan.Add(Method::kClassify, *signature, options, text));
    } else if (task.method_name == predict::kRegressMethodName) {
      BATON_RETURN_IF_ERROR(plan.Add(Method::kRegress, *signature, options, text));
    } else {
      return absl::UnimplementedError(
          base::StrCat("Unsupported signature method_name: ", task.method_name));
    }
  }
  return plan;
}

absl::Status ExamplePlan::Add(Method method, const Signature& signature, const Options& options,
                              SignatureText text) {
  Task task{.signature = &signature, .method = method};
  if (method == Method::kClassify) {
    BATON_RETURN_IF_ERROR(CheckClassify(signature, options, text));
    if (const auto port = signature.FindOutput(kClasses)) task.labels = Fetch(signature, *port);
    if (const auto port = signature.FindOutput(kScores)) task.values = Fetch(signature, *port);
  } else {
    BATON_RETURN_IF_ERROR(CheckRegress(signature, options, text));
    task.values = Fetch(signature, 0);
  }
  const auto same = [&](const Port& earlier) {
    return IsSameTensor(earlier.signature->inputs[earlier.index], signature.inputs[0]);
  };
  if (std::none_of(inputs_.begin(), inputs_.end(), same)) inputs_.push_back({&signature, 0});
  tasks_.push_back(task);
  return absl::OkStatus();
}

size_t ExamplePlan::Fetch(const Signature& signature, uint32_t port) {
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const engine::Port& earlier = outputs_[i].signature->outputs[outputs_[i].index];
    if (IsSameTensor(earlier, signature.outputs[port])) return i;
  }
  outputs_.push_back({&signature, port});
  return outputs_.size() - 1;
}

absl::StatusOr<predict::PredictRequest> ExamplePlan::Feed(tensor::Tensor examples) {
  num_examples_ = examples.num_elements();
  if (num_examples_ == 0) return absl::InvalidArgumentError("Input is empty.");
  predict::PredictRequest request;
  request.signature = signature();
  request.inputs.assign(inputs_.size(), examples);
  const bool spans_several = tasks_.size() > 1;
  for (const Port& port : inputs_) {
    request.input_ports.push_back(port.index);
    if (spans_several) request.input_signatures.push_back(port.signature);
  }
  for (const Port& port : outputs_) {
    request.output_ports.push_back(port.index);
    if (spans_several) request.output_signatures.push_back(port.signature);
  }
  return request;
}

absl::StatusOr<ExamplePlan::Results> ExamplePlan::Read(
    const predict::PredictResponse& response) const {
  if (response.outputs.size() != outputs_.size()) {
    return absl::UnknownError("Predict internal error");
  }
  const auto output = [&](size_t index) {
    return index == kNone ? nullptr : &response.outputs[index];
  };
  Results results;
  for (const Task& task : tasks_) {
    predict::TaskResult& result = results.emplace_back();
    result.signature_name = task.signature->name;
    if (task.method == Method::kClassify) {
      BATON_ASSIGN_OR_RETURN(result.value, ReadClassifications(output(task.labels),
                                                               output(task.values), num_examples_));
    } else {
      BATON_ASSIGN_OR_RETURN(result.value, ReadRegressions(*output(task.values), num_examples_));
    }
  }
  return results;
}

absl::Status CheckPredictMethodName(const Signature& signature) {
  for (const std::string_view allowed :
       {predict::kPredictMethodName, predict::kClassifyMethodName, predict::kRegressMethodName}) {
    if (signature.method_name == allowed) return absl::OkStatus();
  }
  return absl::InternalError(
      base::StrCat("Expected prediction signature method_name to be one of {",
                   predict::kPredictMethodName, ", ", predict::kClassifyMethodName, ", ",
                   predict::kRegressMethodName, "}. Was: ", signature.method_name));
}

}  // namespace baton::service
