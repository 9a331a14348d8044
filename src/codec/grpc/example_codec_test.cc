#include "codec/grpc/example_codec.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/strings.h"
#include "codec/grpc/model_codec.h"
#include "predict/scripted_engine.h"
#include "tensorflow_serving/apis/classification.pb.h"
#include "tensorflow_serving/apis/get_model_metadata.pb.h"
#include "tensorflow_serving/apis/inference.pb.h"
#include "tensorflow_serving/apis/regression.pb.h"

namespace baton::codec::grpc {
namespace {

using std::string_literals::operator""s;
using tensor::Tensor;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
namespace tfs = tensorflow::serving;

template <typename Message>
Message FromText(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

// A field of bytes, as protobuf writes it. REQUIRES: short.
std::string Field(int number, const std::string& bytes) {
  return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} + bytes;
}

std::vector<std::string> Elements(const Tensor& tensor) {
  std::vector<std::string> elements;
  for (const tensor::StringRef& ref : tensor.strings()) elements.emplace_back(ref.view());
  return elements;
}

// The examples of a ClassificationRequest whose `input` field holds these bytes each.
std::vector<std::string> ExamplesOf(const std::vector<std::string>& inputs) {
  std::string bytes;
  for (const std::string& input : inputs) bytes += Field(2, input);
  const base::Buffer message = base::Buffer::Copy(bytes);
  const auto view = ParseClassificationRequest(message.view());
  EXPECT_TRUE(view.ok()) << view.status();
  const auto tensor = ReadExamples(view->examples, message);
  EXPECT_TRUE(tensor.ok()) << tensor.status();
  EXPECT_EQ(tensor->shape(), tensor::Shape({static_cast<int64_t>(view->examples.count)}));
  return Elements(*tensor);
}

std::string List(const std::vector<std::string>& examples) {
  std::string list;
  for (const std::string& example : examples) list += Field(1, example);
  return list;
}
std::string PlainInput(const std::vector<std::string>& examples) {
  return Field(1, List(examples));
}
std::string ContextInput(const std::string& context, const std::vector<std::string>& examples) {
  return Field(2, Field(2, context) + List(examples));
}

// --- Requests

TEST(ExampleRequestTest, ReadsWhatProtobufWrites) {
  const auto proto = FromText<tfs::ClassificationRequest>(R"(
      model_spec { name: "m" version { value: 3 } signature_name: "s" }
      input { example_list {
        examples { features { feature { key: "x" value { float_list { value: 2 } } } } }
        examples { } } })");
  const base::Buffer message = base::Buffer::Copy(proto.SerializeAsString());
  const auto view = ParseClassificationRequest(message.view());
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->spec->name, "m");
  EXPECT_EQ(view->spec->version, 3);
  EXPECT_EQ(view->spec->signature_name, "s");
  const auto tensor = ReadExamples(view->examples, message);
  ASSERT_TRUE(tensor.ok());
  EXPECT_THAT(Elements(*tensor),
              ElementsAre(proto.input().example_list().examples(0).SerializeAsString(), ""));
  const auto regress = ParseRegressionRequest(message.view());  // the same fields
  EXPECT_EQ(regress->examples.count, 2u);
}

TEST(ExampleRequestTest, ExamplesAreViewsIntoTheMessageThatTheTensorKeeps) {
  Tensor tensor;
  const char* message_bytes = nullptr;
  {
    const base::Buffer message = base::Buffer::Copy(Field(2, PlainInput({"first", "second"})));
    message_bytes = message.data();
    const auto view = ParseRegressionRequest(message.view());
    tensor = *ReadExamples(view->examples, message);
  }
  EXPECT_THAT(Elements(tensor), ElementsAre("first", "second"));
  // Behind the tags and lengths of input, list and example.
  EXPECT_EQ(tensor.strings()[0].data, message_bytes + 6);
}

TEST(ExampleRequestTest, TheContextStandsInFrontOfEveryExample) {
  EXPECT_THAT(ExamplesOf({ContextInput("ctx", {"a", "", "bc"})}),
              ElementsAre("ctxa", "ctx", "ctxbc"));
  EXPECT_THAT(ExamplesOf({ContextInput("", {"a", "b"})}), ElementsAre("a", "b"));
  EXPECT_THAT(ExamplesOf({ContextInput("ctx", {})}), IsEmpty());
}

TEST(ExampleRequestTest, RepeatedFieldsMergeAsInProtobuf) {
  EXPECT_THAT(ExamplesOf({}), IsEmpty());
  EXPECT_THAT(ExamplesOf({""}), IsEmpty());
  // One list after the other.
  EXPECT_THAT(ExamplesOf({PlainInput({"a"}), PlainInput({"b"})}), ElementsAre("a", "b"));
  EXPECT_THAT(ExamplesOf({PlainInput({"a"}) + PlainInput({"b"})}), ElementsAre("a", "b"));
  // Of two kinds the last one.
  EXPECT_THAT(ExamplesOf({PlainInput({"a"}), ContextInput("c", {"b"})}), ElementsAre("cb"));
  EXPECT_THAT(ExamplesOf({ContextInput("c", {"b"}), PlainInput({"a"})}), ElementsAre("a"));
  EXPECT_THAT(ExamplesOf({PlainInput({"a"}) + Field(2, "") + PlainInput({"b"})}), ElementsAre("b"));
  // Pieces of a context are one Example.
  EXPECT_THAT(ExamplesOf({ContextInput("c", {"a"}), ContextInput("d", {"b"})}),
              ElementsAre("cda", "cdb"));
  // A list has no context: its field 2 is unknown.
  EXPECT_THAT(ExamplesOf({Field(1, Field(2, "c") + Field(1, "a"))}), ElementsAre("a"));
  // A field of another wire type is unknown.
  EXPECT_THAT(ExamplesOf({PlainInput({"a"}) + "\x10\x05"}), ElementsAre("a"));
}

TEST(ExampleRequestTest, RepeatedSpecsMerge) {
  const std::string bytes = Field(1, Field(1, "m") + Field(3, "s")) + Field(1, Field(1, "n"));
  const auto view = ParseClassificationRequest(bytes);
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->spec->name, "n");
  EXPECT_EQ(view->spec->signature_name, "s");
  EXPECT_EQ(ParseClassificationRequest("")->spec, std::nullopt);
}

TEST(ExampleRequestTest, WhatIsNoMessageIsRefused) {
  const std::string cut_list = Field(2, Field(1, "\x0a\x05zz"s));
  const struct {
    std::string bytes;
    const char* why;
  } rows[] = {
      {"\x0a", "cut after a tag"},
      {Field(2, "\x0a\x7f"s), "a list that is longer than its input"},
      {cut_list, "an example that is longer than its list"},
      {Field(2, Field(2, "\x12\x05zz"s)), "a context that is longer than its list"},
      {Field(1, Field(1, "\xff")), "a name that is no UTF-8"},
      {Field(2, "\x04"s), "the end of no group"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(ParseClassificationRequest(row.bytes).status(),
              absl::InvalidArgumentError("the request is no ClassificationRequest"))
        << row.why;
    EXPECT_EQ(ParseRegressionRequest(row.bytes).status(),
              absl::InvalidArgumentError("the request is no RegressionRequest"))
        << row.why;
    EXPECT_FALSE(tfs::ClassificationRequest().ParseFromString(row.bytes)) << row.why;
  }
  EXPECT_EQ(ParseMultiInferenceRequest(cut_list).status(),
            absl::InvalidArgumentError("the request is no MultiInferenceRequest"));
}

TEST(ExampleRequestTest, ABadExampleIsTheGraphsBusiness) {
  EXPECT_THAT(ExamplesOf({PlainInput({"\xff\xff"})}), ElementsAre("\xff\xff"));
}

TEST(ExampleRequestTest, AContextIsNotCopiedWithoutEnd) {
  // A megabyte in front of each of 1000 empty examples.
  tfs::ClassificationRequest proto;
  auto* list = proto.mutable_input()->mutable_example_list_with_context();
  auto& feature = (*list->mutable_context()->mutable_features()->mutable_feature())["x"];
  feature.mutable_bytes_list()->add_value(std::string(1 << 20, 'x'));
  for (int i = 0; i < 1000; ++i) list->add_examples();
  const base::Buffer message = base::Buffer::Copy(proto.SerializeAsString());
  const auto view = ParseClassificationRequest(message.view());
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(ReadExamples(view->examples, message).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(ExampleRequestTest, ATaskIsASpecAndAMethod) {
  const auto proto = FromText<tfs::MultiInferenceRequest>(R"(
      tasks { model_spec { name: "m" signature_name: "a" } method_name: "regress" }
      tasks { method_name: "classify" }
      tasks { }
      input { example_list { examples { } } })");
  const std::string bytes = proto.SerializeAsString();
  const auto view = ParseMultiInferenceRequest(bytes);
  ASSERT_TRUE(view.ok());
  ASSERT_EQ(view->tasks.size(), 3u);
  EXPECT_EQ(view->tasks[0].spec->signature_name, "a");
  EXPECT_EQ(view->tasks[0].method_name, "regress");
  EXPECT_EQ(view->tasks[1].spec, std::nullopt);
  EXPECT_EQ(view->tasks[1].method_name, "classify");
  EXPECT_EQ(view->examples.count, 1u);
  EXPECT_FALSE(ParseMultiInferenceRequest(Field(1, Field(2, "\xff"))).ok());
}

TEST(ExampleRequestTest, TasksAreNotCollectedWithoutEnd) {
  std::string bytes;
  for (size_t i = 0; i < kMaxTasks; ++i) bytes += Field(1, "");
  EXPECT_EQ(ParseMultiInferenceRequest(bytes)->tasks.size(), kMaxTasks);
  bytes += Field(1, "");
  EXPECT_EQ(ParseMultiInferenceRequest(bytes).status().code(),
            absl::StatusCode::kResourceExhausted);
}

// --- Responses

const lifecycle::ServableId kId{"m", 123};
constexpr size_t kPrefix = 5;

// `message` behind the prefix, as protobuf reads it.
template <typename Message>
std::string Read(const base::Buffer& message) {
  Message proto;
  EXPECT_TRUE(
      proto.ParseFromArray(message.data() + kPrefix, static_cast<int>(message.size() - kPrefix)));
  // Equal bytes: protobuf would have written the same.
  EXPECT_EQ(proto.SerializeAsString(), message.view().substr(kPrefix));
  return proto.ShortDebugString();
}

constexpr char kSpec[] = "model_spec { name: \"m\" version { value: 123 } signature_name: \"s\" }";

struct Matrix {
  Tensor labels, scores;
  predict::Classifications view(size_t examples, size_t classes) const {
    predict::Classifications result{.examples = examples, .classes = classes};
    if (labels.dtype() == tensor::DType::kString) result.labels = labels.strings();
    if (scores.dtype() == tensor::DType::kFloat) result.scores = scores.values<float>();
    return result;
  }
};

Tensor Strings(tensor::Shape shape, std::vector<std::string_view> strings) {
  return Tensor::FromStrings(std::move(shape), strings);
}
Tensor Floats(std::vector<float> values) {
  return Tensor::FromValues<float>(tensor::DType::kFloat, {static_cast<int64_t>(values.size())},
                                   values);
}

TEST(ExampleResponseTest, ClassesAreWrittenAsProtobufWritesThem) {
  const Matrix both{Strings({2, 2}, {"cat", "", "", "dog"}), Floats({0.5f, 0, -0.0f, 2})};
  EXPECT_EQ(Read<tfs::ClassificationResponse>(
                EncodeClassificationResponse(kId, "s", both.view(2, 2), kPrefix)),
            "result { classifications { classes { label: \"cat\" score: 0.5 } classes { } } "
            "classifications { classes { score: -0 } classes { label: \"dog\" score: 2 } } } "s +
                kSpec);
  const Matrix labels{Strings({1, 1}, {"cat"}), {}};
  EXPECT_EQ(Read<tfs::ClassificationResponse>(
                EncodeClassificationResponse(kId, "s", labels.view(1, 1), kPrefix)),
            "result { classifications { classes { label: \"cat\" } } } "s + kSpec);
  const Matrix scores{{}, Floats({1, 2})};
  EXPECT_EQ(Read<tfs::ClassificationResponse>(
                EncodeClassificationResponse(kId, "s", scores.view(2, 1), kPrefix)),
            "result { classifications { classes { score: 1 } } classifications { classes { score: "
            "2 } } } "s +
                kSpec);
  EXPECT_EQ(Read<tfs::ClassificationResponse>(
                EncodeClassificationResponse(kId, "s", Matrix().view(2, 0), kPrefix)),
            "result { classifications { } classifications { } } "s + kSpec);
}

TEST(ExampleResponseTest, LongLabelsAndManyRowsAreMeasuredRight) {
  const std::string label(200, 'x');
  const std::vector<std::string_view> labels(300, label);
  const Matrix many{Strings({3, 100}, labels), Floats(std::vector<float>(300, 1))};
  tfs::ClassificationResponse proto;
  const base::Buffer message = EncodeClassificationResponse(kId, "s", many.view(3, 100), 0);
  ASSERT_TRUE(proto.ParseFromArray(message.data(), static_cast<int>(message.size())));
  EXPECT_EQ(proto.SerializeAsString(), message.view());
  EXPECT_EQ(proto.result().classifications(2).classes(99).label(), label);
}

TEST(ExampleResponseTest, RegressionsAreWrittenAsProtobufWritesThem) {
  const Tensor values = Floats({1.5f, 0, -0.0f});
  EXPECT_EQ(
      Read<tfs::RegressionResponse>(
          EncodeRegressionResponse(kId, "s", {values.values<float>()}, kPrefix)),
      "result { regressions { value: 1.5 } regressions { } regressions { value: -0 } } "s + kSpec);
}

TEST(ExampleResponseTest, MultiInferenceKeepsTheOrderOfItsTasks) {
  const Tensor values = Floats({3});
  const Matrix classes{Strings({1, 1}, {"cat"}), {}};
  const std::vector<predict::TaskResult> results = {
      {"r", predict::Regressions{values.values<float>()}}, {"c", classes.view(1, 1)}};
  EXPECT_EQ(Read<tfs::MultiInferenceResponse>(EncodeMultiInferenceResponse(kId, results, kPrefix)),
            "results { model_spec { name: \"m\" version { value: 123 } signature_name: \"r\" } "
            "regression_result { regressions { value: 3 } } } "
            "results { model_spec { name: \"m\" version { value: 123 } signature_name: \"c\" } "
            "classification_result { classifications { classes { label: \"cat\" } } } }");
}

// --- Error texts

class DescribedModel final : public engine::Model {
 public:
  explicit DescribedModel(std::string map)
      : map_(std::move(map)), signatures_({predict::ScriptedModel::FloatSignature("f")}) {}

  const engine::SignatureTable& signatures() const override { return signatures_; }
  uint64_t memory_bytes() const override { return 0; }
  uint32_t max_instances() const override { return 0; }
  std::string_view signature_def_map() const override { return map_; }
  absl::StatusOr<std::unique_ptr<engine::Instance>> NewInstance() override {
    return absl::UnimplementedError("not needed");
  }

 private:
  const std::string map_;
  const engine::SignatureTable signatures_;
};

TEST(SignatureDefTextTest, ShowsTheModelsOwnSignatureDef) {
  const auto map = FromText<tfs::SignatureDefMap>(R"(
      signature_def { key: "f" value {
        inputs { key: "b" value { name: "b:0" } } inputs { key: "a" value { name: "a:0" } }
        method_name: "m" } })");
  const DescribedModel model(map.SerializeAsString());
  EXPECT_EQ(SignatureDefText(model, model.signatures().all()[0]),
            "inputs {\n  key: \"a\"\n  value {\n    name: \"a:0\"\n  }\n}\n"
            "inputs {\n  key: \"b\"\n  value {\n    name: \"b:0\"\n  }\n}\n"
            "method_name: \"m\"\n");
}

TEST(SignatureDefTextTest, SaysWhatIsKnownWhereTheModelHasNone) {
  for (const char* map : {"", "\xff"}) {
    const DescribedModel model(map);
    EXPECT_EQ(SignatureDefText(model, model.signatures().all()[0]),
              "inputs {\n  key: \"x\"\n  value {\n    name: \"x:0\"\n    dtype: DT_FLOAT\n"
              "    tensor_shape {\n      dim {\n        size: -1\n      }\n    }\n  }\n}\n"
              "outputs {\n  key: \"y\"\n  value {\n    name: \"y:0\"\n    dtype: DT_FLOAT\n"
              "    tensor_shape {\n      dim {\n        size: -1\n      }\n    }\n  }\n}\n"
              "method_name: \"tensorflow/serving/predict\"\n");
  }
}

}  // namespace
}  // namespace baton::codec::grpc
