#include "service/example_plan.h"

#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::service {
namespace {

using predict::kClassifyMethodName;
using predict::kPredictMethodName;
using predict::kRegressMethodName;
using tensor::DType;
using tensor::Tensor;
using ::testing::ElementsAre;

engine::Signature MakeSignature(std::string name, std::vector<std::string> inputs,
                                std::vector<std::string> outputs,
                                std::string_view method = kClassifyMethodName) {
  engine::Signature signature;
  signature.name = std::move(name);
  signature.method_name = method;
  for (const std::string& input : inputs) {
    signature.inputs.push_back({input, input + ":0", DType::kString, {}, false});
  }
  for (const std::string& output : outputs) {
    signature.outputs.push_back({output, output + ":0", DType::kFloat, {}, false});
  }
  return signature;
}

std::string Text(const engine::Signature& signature) { return "<" + signature.name + ">"; }

Tensor Strings(tensor::Shape shape, std::vector<std::string_view> strings) {
  return Tensor::FromStrings(std::move(shape), strings);
}
Tensor Floats(tensor::Shape shape, std::vector<float> values) {
  return Tensor::FromValues<float>(DType::kFloat, std::move(shape), values);
}

std::string CodeAndText(const absl::Status& status) {
  return base::StrCat(base::CodeName(status.code()), ": ", base::Message(status));
}

const engine::SignatureTable& Model() {
  static const auto& table = *new engine::SignatureTable({
      MakeSignature("serving_default", {"inputs"}, {"classes", "scores"}),
      MakeSignature("classes", {"inputs"}, {"classes"}),
      MakeSignature("scores", {"inputs"}, {"scores", "other"}),
      MakeSignature("two_inputs", {"inputs", "more"}, {"classes"}),
      MakeSignature("three_outputs", {"inputs"}, {"classes", "scores", "x"}),
      MakeSignature("no_outputs", {"inputs"}, {}),
      MakeSignature("x_input", {"x"}, {"classes", "outputs"}),
      MakeSignature("y_output", {"inputs"}, {"y"}),
      MakeSignature("regress", {"inputs"}, {"outputs"}, kRegressMethodName),
      MakeSignature("regress_x", {"x"}, {"outputs"}, kRegressMethodName),
      MakeSignature("regress_predict", {"inputs"}, {"outputs"}, kPredictMethodName),
      MakeSignature("nameless", {"inputs"}, {"outputs"}, ""),
  });
  return table;
}

// --- Before the run

TEST(ExamplePlanTest, ClassifyRefusesSignaturesOfAnotherForm) {
  const struct {
    std::string signature, expected;
  } rows[] = {
      {"", "OK: "},
      {"serving_default", "OK: "},
      {"classes", "OK: "},
      {"scores", "OK: "},
      {"regress_predict",
       "INVALID_ARGUMENT: Expected classification signature outputs to contain at least one of "
       "\"classes\" or \"scores\". Signature was: <regress_predict>"},
      {"nosuch", "INVALID_ARGUMENT: No signature was found with the name: nosuch"},
      {"two_inputs", "INVALID_ARGUMENT: Expected one input Tensor."},
      {"three_outputs", "INVALID_ARGUMENT: Expected one or two output Tensors, found 3"},
      {"no_outputs", "INVALID_ARGUMENT: Expected one or two output Tensors, found 0"},
      {"x_input", "INVALID_ARGUMENT: No classification inputs found in SignatureDef: <x_input>"},
      {"y_output",
       "INVALID_ARGUMENT: Expected classification signature outputs to contain at least one of "
       "\"classes\" or \"scores\". Signature was: <y_output>"},
  };
  for (const auto& row : rows) {
    const auto plan = ExamplePlan::Classify(Model(), row.signature, {}, Text);
    EXPECT_EQ(CodeAndText(plan.status()), row.expected) << row.signature;
  }
}

TEST(ExamplePlanTest, RegressRefusesSignaturesOfAnotherForm) {
  const struct {
    std::string signature, expected;
  } rows[] = {
      {"regress", "OK: "},
      {"nameless", "OK: "},
      {"nosuch", "INVALID_ARGUMENT: No signature was found with the name: nosuch"},
      {"", "INVALID_ARGUMENT: Expected one output Tensor."},
      {"two_inputs", "INVALID_ARGUMENT: Expected one input Tensor."},
      {"no_outputs", "INVALID_ARGUMENT: Expected one output Tensor."},
      {"regress_x", "INVALID_ARGUMENT: No regression inputs found in SignatureDef: <regress_x>"},
      {"y_output", "INVALID_ARGUMENT: No regression outputs found in SignatureDef: <y_output>"},
  };
  for (const auto& row : rows) {
    const auto plan = ExamplePlan::Regress(Model(), row.signature, {}, Text);
    EXPECT_EQ(CodeAndText(plan.status()), row.expected) << row.signature;
  }
}

TEST(ExamplePlanTest, AMissingDefaultSignatureIsNamed) {
  const engine::SignatureTable empty;
  EXPECT_EQ(ExamplePlan::Regress(empty, "", {}, Text).status(),
            absl::InvalidArgumentError("No signature was found with the name: serving_default"));
}

TEST(ExamplePlanTest, MethodNamesCountOnlyWhenTheyAreChecked) {
  const ExamplePlan::Options checked{.check_method_name = true};
  EXPECT_TRUE(ExamplePlan::Classify(Model(), "classes", checked, Text).ok());
  EXPECT_TRUE(ExamplePlan::Regress(Model(), "regress", checked, Text).ok());
  EXPECT_TRUE(ExamplePlan::Regress(Model(), "regress_predict", {}, Text).ok());
  EXPECT_EQ(ExamplePlan::Regress(Model(), "regress_predict", checked, Text).status(),
            absl::InvalidArgumentError("Expected regression signature method_name to be "
                                       "tensorflow/serving/regress. Was: "
                                       "tensorflow/serving/predict"));
  // Before the form of the signature.
  EXPECT_EQ(ExamplePlan::Classify(Model(), "nameless", checked, Text).status(),
            absl::InvalidArgumentError("Expected classification signature method_name to be "
                                       "tensorflow/serving/classify. Was: "));
}

// A warm-up file may say so; the front end has no model to look for then.
TEST(ExamplePlanTest, ARequestWithoutTasksIsRefused) {
  EXPECT_EQ(CodeAndText(ExamplePlan::MultiInference(Model(), {}, {}, Text).status()),
            "INVALID_ARGUMENT: ModelSpec has no name specified.");
}

TEST(PredictMethodNameTest, AllThreeMayBePredicted) {
  for (const char* name : {"classes", "regress", "regress_predict"}) {
    EXPECT_TRUE(CheckPredictMethodName(*Model().Find(name)).ok()) << name;
  }
  EXPECT_EQ(CheckPredictMethodName(*Model().Find("nameless")),
            absl::InternalError("Expected prediction signature method_name to be one of "
                                "{tensorflow/serving/predict, tensorflow/serving/classify, "
                                "tensorflow/serving/regress}. Was: "));
}

// --- The run

TEST(ExamplePlanTest, FeedsTheExamplesAndFetchesWhatCounts) {
  auto plan = ExamplePlan::Classify(Model(), "scores", {}, Text);
  ASSERT_TRUE(plan.ok());
  const Tensor examples = Strings({2}, {"a", "b"});
  const auto request = plan->Feed(examples);
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->signature, Model().Find("scores"));
  EXPECT_THAT(request->input_ports, ElementsAre(0));
  EXPECT_THAT(request->output_ports, ElementsAre(1));  // not "other"
  EXPECT_TRUE(request->input_signatures.empty());
  EXPECT_TRUE(request->output_signatures.empty());
  ASSERT_EQ(request->inputs.size(), 1u);
  EXPECT_EQ(request->inputs[0].buffer().data(), examples.buffer().data());
  EXPECT_EQ(plan->num_examples(), 2);
}

TEST(ExamplePlanTest, NoExamplesAreNoInput) {
  auto plan = ExamplePlan::Regress(Model(), "regress", {}, Text);
  EXPECT_EQ(plan->Feed(Strings({0}, {})).status(), absl::InvalidArgumentError("Input is empty."));
}

// --- After the run

// Plans and feeds two examples, and reads what the graph is said to have given.
absl::StatusOr<ExamplePlan::Results> ReadTwo(absl::StatusOr<ExamplePlan> plan,
                                             const predict::PredictResponse& response) {
  EXPECT_TRUE(plan->Feed(Strings({2}, {"a", "b"})).ok());
  return plan->Read(response);
}

TEST(ExamplePlanTest, ClassesAndScoresAreReadWhereTheyLie) {
  const predict::PredictResponse response{
      {Strings({2, 2}, {"cat", "dog", "dog", "cat"}), Floats({2, 2}, {0.5f, 0, 1, -1})}};
  const auto results = ReadTwo(ExamplePlan::Classify(Model(), "", {}, Text), response);
  ASSERT_TRUE(results.ok());
  EXPECT_EQ((*results)[0].signature_name, "serving_default");
  const auto& result = std::get<predict::Classifications>((*results)[0].value);
  EXPECT_EQ(result.examples, 2u);
  EXPECT_EQ(result.classes, 2u);
  EXPECT_EQ(result.labels[3].view(), "cat");
  EXPECT_EQ(result.scores.data(), response.outputs[1].values<float>().data());
}

TEST(ExamplePlanTest, OneOfClassesAndScoresIsEnough) {
  const auto classes =
      ReadTwo(ExamplePlan::Classify(Model(), "classes", {}, Text), {{Strings({2, 1}, {"a", "b"})}});
  const auto& labels = std::get<predict::Classifications>((*classes)[0].value);
  EXPECT_EQ(labels.classes, 1u);
  EXPECT_TRUE(labels.scores.empty());
  const auto scores =
      ReadTwo(ExamplePlan::Classify(Model(), "scores", {}, Text), {{Floats({2, 0}, {})}});
  const auto& none = std::get<predict::Classifications>((*scores)[0].value);
  EXPECT_EQ(none.examples, 2u);
  EXPECT_EQ(none.classes, 0u);
  EXPECT_TRUE(none.labels.empty());
}

TEST(ExamplePlanTest, WhatIsNoClassificationIsRefused) {
  const Tensor labels = Strings({2, 1}, {"a", "b"});
  const Tensor scores = Floats({2, 1}, {1, 2});
  const struct {
    Tensor labels, scores;
    std::string expected;
  } rows[] = {
      {Strings({2}, {"a", "b"}), scores,
       "Expected Tensor shape: [batch_size num_classes] but got [2]"},
      {labels, Floats({2, 1, 1}, {1, 2}),
       "Expected Tensor shape: [batch_size num_classes] but got [2,1,1]"},
      {scores, scores, "Expected classes Tensor of DT_STRING. Got: DT_FLOAT"},
      {labels, *Tensor::Allocate(DType::kInt64, {2, 1}),
       "Expected scores Tensor of DT_FLOAT. Got: DT_INT64"},
      {Strings({1, 1}, {"a"}), scores, "Expected classes output batch size of 2. Got: 1"},
      {labels, Floats({3, 1}, {1, 2, 3}), "Expected scores output batch size of 2. Got: 3"},
      {labels, Floats({2, 2}, {1, 2, 3, 4}),
       "Tensors class and score should match in dim_size(1). Got 1 vs. 2"},
  };
  for (const auto& row : rows) {
    const auto results =
        ReadTwo(ExamplePlan::Classify(Model(), "", {}, Text), {{row.labels, row.scores}});
    EXPECT_EQ(results.status(), absl::InvalidArgumentError(row.expected));
  }
}

TEST(ExamplePlanTest, WhatIsNoRegressionIsRefused) {
  const struct {
    Tensor values;
    std::string expected;
  } rows[] = {
      {Floats({2}, {1, 2}), ""},
      {Floats({2, 1}, {1, 2}), ""},
      {Floats({}, {1}),
       "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got []"},
      {Floats({2, 2}, {1, 2, 3, 4}),
       "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [2,2]"},
      {Floats({3}, {1, 2, 3}), "Input batch size did not match output batch size: 2 vs. 3"},
      {*Tensor::Allocate(DType::kDouble, {2}),
       "Expected output Tensor of DT_FLOAT.  Got: DT_DOUBLE"},
  };
  for (const auto& row : rows) {
    const auto results =
        ReadTwo(ExamplePlan::Regress(Model(), "regress", {}, Text), {{row.values}});
    EXPECT_EQ(base::Message(results.status()), row.expected);
    EXPECT_EQ(results.ok(), row.expected.empty());
  }
}

TEST(ExamplePlanTest, ARunThatGivesAnotherNumberOfOutputsIsRefused) {
  EXPECT_EQ(ReadTwo(ExamplePlan::Regress(Model(), "regress", {}, Text), {}).status(),
            absl::UnknownError("Predict internal error"));
}

// --- MultiInference

predict::InferenceTask Task(std::string_view model, std::string_view signature,
                            std::string_view method) {
  return {.spec = predict::ModelSpec{.name = model, .signature_name = signature},
          .method_name = method};
}

TEST(MultiInferenceTest, TasksAreCheckedInOrder) {
  const struct {
    std::vector<predict::InferenceTask> tasks;
    std::string expected;
  } rows[] = {
      {{Task("m", "", kClassifyMethodName), Task("m", "regress", kRegressMethodName)}, "OK: "},
      {{Task("m", "regress", kRegressMethodName), {.method_name = kRegressMethodName}},
       "INVALID_ARGUMENT: Found ModelSpec with an empty model name."},
      {{Task("m", "regress", kRegressMethodName), Task("", "classes", kClassifyMethodName)},
       "INVALID_ARGUMENT: Found ModelSpec with an empty model name."},
      {{Task("m", "regress", kRegressMethodName), Task("n", "regress", kClassifyMethodName)},
       "INVALID_ARGUMENT: All ModelSpecs in a MultiInferenceRequest must access the same model "
       "name."},
      {{Task("m", "regress", kRegressMethodName), Task("m", "regress", "")},
       "INVALID_ARGUMENT: Duplicate evaluation of signature: regress"},
      {{Task("m", "", kClassifyMethodName), Task("m", "serving_default", kClassifyMethodName)},
       "INVALID_ARGUMENT: Duplicate evaluation of signature: serving_default"},
      {{Task("m", "nosuch", "")},
       "INVALID_ARGUMENT: Requested signature not found in model graph: nosuch"},
      {{Task("m", "regress", "")}, "UNIMPLEMENTED: Unsupported signature method_name: "},
      {{Task("m", "regress_predict", kPredictMethodName)},
       "UNIMPLEMENTED: Unsupported signature method_name: tensorflow/serving/predict"},
      {{Task("m", "", kRegressMethodName)}, "INVALID_ARGUMENT: Expected one output Tensor."},
      {{Task("m", "regress", kClassifyMethodName)},
       "INVALID_ARGUMENT: Expected classification signature outputs to contain at least one of "
       "\"classes\" or \"scores\". Signature was: <regress>"},
  };
  for (const auto& row : rows) {
    const auto plan = ExamplePlan::MultiInference(Model(), row.tasks, {}, Text);
    EXPECT_EQ(CodeAndText(plan.status()), row.expected);
  }
}

TEST(MultiInferenceTest, MethodNamesOfSignaturesCountOnlyWhenTheyAreChecked) {
  const std::vector<predict::InferenceTask> tasks = {
      Task("m", "regress_predict", kRegressMethodName)};
  EXPECT_TRUE(ExamplePlan::MultiInference(Model(), tasks, {}, Text).ok());
  EXPECT_EQ(
      base::Message(
          ExamplePlan::MultiInference(Model(), tasks, {.check_method_name = true}, Text).status()),
      "Expected regression signature method_name to be tensorflow/serving/regress. Was: "
      "tensorflow/serving/predict");
}

TEST(MultiInferenceTest, FeedsAndFetchesEveryTensorOnce) {
  // The signatures share the tensor "inputs:0"; the last two share "scores:0" as well.
  const std::vector<predict::InferenceTask> tasks = {Task("m", "regress", kRegressMethodName),
                                                     Task("m", "scores", kClassifyMethodName),
                                                     Task("m", "", kClassifyMethodName)};
  auto plan = ExamplePlan::MultiInference(Model(), tasks, {}, Text);
  ASSERT_TRUE(plan.ok());
  const auto request = plan->Feed(Strings({1}, {"a"}));
  ASSERT_TRUE(request.ok());
  const engine::Signature* const regress = Model().Find("regress");
  const engine::Signature* const scores = Model().Find("scores");
  const engine::Signature* const both = Model().Find("");
  EXPECT_EQ(request->signature, regress);
  EXPECT_EQ(request->inputs.size(), 1u);
  EXPECT_THAT(request->input_signatures, ElementsAre(regress));
  EXPECT_THAT(request->input_ports, ElementsAre(0));
  EXPECT_THAT(request->output_signatures, ElementsAre(regress, scores, both));
  EXPECT_THAT(request->output_ports, ElementsAre(0, 1, 0));

  const predict::PredictResponse response{
      {Floats({1}, {7}), Floats({1, 1}, {3}), Strings({1, 1}, {"cat"})}};
  const auto results = plan->Read(response);
  ASSERT_TRUE(results.ok());
  ASSERT_EQ(results->size(), 3u);
  EXPECT_THAT(std::get<predict::Regressions>((*results)[0].value).values, ElementsAre(7));
  const auto& first = std::get<predict::Classifications>((*results)[1].value);
  EXPECT_THAT(first.scores, ElementsAre(3));
  EXPECT_TRUE(first.labels.empty());
  const auto& second = std::get<predict::Classifications>((*results)[2].value);
  EXPECT_THAT(second.scores, ElementsAre(3));
  EXPECT_EQ(second.labels[0].view(), "cat");
  EXPECT_EQ((*results)[2].signature_name, "serving_default");
}

TEST(MultiInferenceTest, TensorsWithoutNamesAreNobodyElses) {
  engine::Signature a = MakeSignature("a", {"inputs"}, {"scores"});
  engine::Signature b = MakeSignature("b", {"inputs"}, {"outputs"});
  for (engine::Signature* signature : {&a, &b}) {
    signature->inputs[0].tensor_name.clear();
    signature->outputs[0].tensor_name.clear();
  }
  const engine::SignatureTable table({a, b});
  const std::vector<predict::InferenceTask> tasks = {Task("m", "a", kClassifyMethodName),
                                                     Task("m", "b", kRegressMethodName)};
  auto plan = ExamplePlan::MultiInference(table, tasks, {}, Text);
  const auto request = plan->Feed(Strings({1}, {"x"}));
  EXPECT_EQ(request->inputs.size(), 2u);
  EXPECT_EQ(request->output_ports.size(), 2u);
}

TEST(MultiInferenceTest, ASingleTaskIsAnOrdinaryRun) {
  const std::vector<predict::InferenceTask> tasks = {Task("m", "regress", kRegressMethodName)};
  auto plan = ExamplePlan::MultiInference(Model(), tasks, {}, Text);
  const auto request = plan->Feed(Strings({1}, {"x"}));
  EXPECT_TRUE(request->input_signatures.empty());
  EXPECT_TRUE(request->output_signatures.empty());
}

}  // namespace
}  // namespace baton::service
