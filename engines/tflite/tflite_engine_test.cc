// Drives the plug-in through the host's loader, with models that testdata/make_models.py makes.
// Expected texts are those of contract 11.
#include <array>
#include <complex>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "base/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tflite_test_model.h"

namespace baton::engine {
namespace {

using tensor::DType;
using tensor::Shape;
using tensor::Tensor;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<int64_t> Dims(const Tensor& tensor) {
  return {tensor.shape().dims().begin(), tensor.shape().dims().end()};
}
Tensor Matrix(int64_t rows, int64_t columns, float value) {
  return Tensor::FromValues<float>(DType::kFloat, Shape({rows, columns}),
                                   std::vector<float>(static_cast<size_t>(rows * columns), value));
}
std::vector<std::string> Names(const std::vector<Port>& ports) {
  std::vector<std::string> names;
  for (const Port& port : ports) names.push_back(port.name + "=" + port.tensor_name);
  return names;
}
absl::Status LoadError(const std::string& name, const EngineOptions& options = {}) {
  return Tflite().Load(MadeModel(name), options).status();
}

TEST(TfliteEngineTest, AModelWithoutSignaturesIsServedByItsTensorNames) {
  TfliteTestModel model("half_plus_two");
  ASSERT_TRUE(model.status().ok()) << model.status();
  ASSERT_EQ(model.model().signatures().all().size(), 1u);
  const Signature* signature = model.model().signatures().Find("serving_default");
  EXPECT_EQ(signature->method_name, "tensorflow/serving/predict");
  EXPECT_THAT(Names(signature->inputs), ElementsAre("x=x"));
  EXPECT_THAT(Names(signature->outputs), ElementsAre("y=y"));
  EXPECT_EQ(signature->inputs[0].shape, (tensor::PartialShape{false, {1}}));
  auto outputs = model.Run({{"x", Floats({2})}});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_THAT(ValuesOf<float>(outputs->at("y")), ElementsAre(3));
}

TEST(TfliteEngineTest, NamesLoseTheirSuffixWhenSignaturesAreGenerated) {
  TfliteTestModel model("suffixed_names");
  const Signature* signature = model.model().signatures().Find("");
  EXPECT_THAT(Names(signature->inputs), ElementsAre("x=x:0"));
  EXPECT_THAT(Names(signature->outputs), ElementsAre("y=y:0"));
  EXPECT_THAT(ValuesOf<float>(model.Run({{"x", Floats({4})}})->at("y")), ElementsAre(4));
}

TEST(TfliteEngineTest, EmbeddedSignaturesGiveTheNames) {
  for (const char* name : {"half_plus_two_signature", "legacy_signature"}) {
    TfliteTestModel model(name);
    ASSERT_TRUE(model.status().ok()) << model.status();
    const Signature* signature = model.model().signatures().Find("");
    EXPECT_THAT(Names(signature->inputs), ElementsAre("x_in=x")) << name;
    EXPECT_THAT(Names(signature->outputs), ElementsAre("y_out=y")) << name;
    EXPECT_EQ(signature->inputs[0].dtype, DType::kFloat);
    EXPECT_THAT(ValuesOf<float>(model.Run({{"x_in", Floats({2})}})->at("y_out")), ElementsAre(3));
  }
}

TEST(TfliteEngineTest, SeveralSignaturesShareAGraph) {
  TfliteTestModel model("several_signatures");
  ASSERT_TRUE(model.status().ok()) << model.status();
  EXPECT_EQ(model.model().signatures().all().size(), 3u);
  EXPECT_EQ(model.model().signatures().Find("serving")->method_name, "custom/method");
  auto both = model.Run({{"x", Floats({1})}, {"xx", Floats({5})}});
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_THAT(ValuesOf<float>(both->at("y")), ElementsAre(6));
  EXPECT_THAT(ValuesOf<float>(both->at("yy")), ElementsAre(50));
  // What a signature leaves out is zero, not what the last request sent.
  EXPECT_THAT(ValuesOf<float>(model.Run({{"x", Floats({1})}}, "serving")->at("y")), ElementsAre(1));
}

TEST(TfliteEngineTest, SignaturesOfTheConvertersTableComeOnTop) {
  TfliteTestModel model("two_subgraphs");
  ASSERT_TRUE(model.status().ok()) << model.status();
  EXPECT_EQ(model.model().signatures().all().size(), 3u);
  auto product = model.Run({{"x", Floats({2, 3})}, {"z", Floats({5, 7})}}, "product");
  ASSERT_TRUE(product.ok()) << product.status();
  EXPECT_THAT(ValuesOf<float>(product->at("xz")), ElementsAre(10, 21));
  auto doubled = model.Run({{"x", Floats({4})}}, "double");
  ASSERT_TRUE(doubled.ok()) << doubled.status();
  EXPECT_THAT(ValuesOf<float>(doubled->at("y")), ElementsAre(8));
  EXPECT_NE(model.model().signatures().Find("serving_default"), nullptr);
}

// The sets of element types are checked through one operator that takes any.
template <typename T>
void ExpectFlattened(const std::string& name, DType dtype, std::vector<T> values) {
  TfliteTestModel model(name);
  ASSERT_TRUE(model.status().ok()) << name << ": " << model.status();
  EXPECT_EQ(model.model().signatures().Find("")->inputs[0].dtype, dtype);
  const Tensor input = Tensor::FromValues<T>(dtype, Shape({1, static_cast<int64_t>(values.size())}),
                                             std::span<const T>(values));
  for (int round = 0; round < 2; ++round) {
    auto outputs = model.Run({{"x", input}});
    ASSERT_TRUE(outputs.ok()) << name << ": " << outputs.status();
    const Tensor& output = outputs->at("y");
    EXPECT_EQ(output.dtype(), dtype) << name;
    EXPECT_THAT(Dims(output), ElementsAre(static_cast<int64_t>(values.size()))) << name;
    EXPECT_EQ(std::memcmp(output.bytes().data(), values.data(), values.size() * sizeof(T)), 0)
        << name;
  }
}

TEST(TfliteEngineTest, ServesEveryElementTypeOfTensorFlowServing) {
  ExpectFlattened<float>("type_float32", DType::kFloat, {1.5f, -2});
  ExpectFlattened<int32_t>("type_int32", DType::kInt32, {1, -2, 3});
  ExpectFlattened<uint8_t>("type_uint8", DType::kUint8, {0, 255});
  ExpectFlattened<int64_t>("type_int64", DType::kInt64, {int64_t{1} << 40, -1});
  ExpectFlattened<uint8_t>("type_bool", DType::kBool, {1, 0, 1});
  ExpectFlattened<int16_t>("type_int16", DType::kInt16, {-30000, 7});
  ExpectFlattened<std::complex<float>>("type_complex64", DType::kComplex64, {{1, 2}, {3, 4}});
  ExpectFlattened<int8_t>("type_int8", DType::kInt8, {-128, 127});
  const absl::Status status = LoadError("type_float64");
  EXPECT_EQ(status, absl::InternalError("Unknown TfLite type: 11"));
}

TEST(TfliteEngineTest, StringsGoInAndOut) {
  TfliteTestModel model("type_string");
  ASSERT_TRUE(model.status().ok()) << model.status();
  const std::string large(200000, 'l');
  const std::vector<std::vector<std::string_view>> requests = {
      {"a", "", std::string_view("b\0c", 3)}, {large, "x"}, {"last"}, {"", ""}};
  for (const std::vector<std::string_view>& request : requests) {
    auto outputs = model.Run({{"x", Texts(request)}});
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    EXPECT_EQ(TextsOf(outputs->at("y")), std::vector<std::string>(request.begin(), request.end()));
  }
  TfliteTestModel pick("pick");
  auto picked = pick.Run({{"s", Texts({"zero", "one", "two"})}, {"i", Ints({2, 0, 2, 1})}});
  ASSERT_TRUE(picked.ok()) << picked.status();
  EXPECT_THAT(TextsOf(picked->at("t")), ElementsAre("two", "zero", "two", "one"));
}

TEST(TfliteEngineTest, InputsAreResizedToEachRequest) {
  TfliteTestModel model("matrix");
  ASSERT_TRUE(model.status().ok()) << model.status();
  for (int64_t rows : {1, 5, 1, 300, 5}) {
    auto outputs = model.Run({{"x", Matrix(rows, 2, 3)}});
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    EXPECT_THAT(Dims(outputs->at("y")), ElementsAre(rows, 1));
    EXPECT_EQ(ValuesOf<float>(outputs->at("y")).back(), 9);
  }
  auto scalar = TfliteTestModel("scalar").Run(
      {{"x", Tensor::FromValues<float>(DType::kFloat, Shape(), std::array<float, 1>{2})}});
  ASSERT_TRUE(scalar.ok()) << scalar.status();
  EXPECT_EQ(scalar->at("y").shape().rank(), 0u);
}

TEST(TfliteEngineTest, AShapeThatDoesNotFitIsRefusedAndForgotten) {
  TfliteTestModel model("pairs");
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(model.Run({{"x", Matrix(4, 3, 1)}}).status(),
              absl::InternalError("Failed to allocate tensors"));
  }
  EXPECT_THAT(ValuesOf<float>(model.Run({{"x", Matrix(1, 2, 1)}})->at("y")), ElementsAre(2, 3));
  EXPECT_EQ(model.Run({{"x", Matrix(0, 2, 1)}}).status(),
            absl::InternalError("Failed to resize input tensor: x from 8 to 0 bytes."));
  EXPECT_THAT(ValuesOf<float>(model.Run({{"x", Matrix(1, 2, 2)}})->at("y")), ElementsAre(3, 4));
}

TEST(TfliteEngineTest, ShapesThatOnlyTheRunKnowsAreReturned) {
  TfliteTestModel tile("tile");
  for (int32_t times : {3, 1, 5}) {
    auto outputs = tile.Run({{"x", Floats({1, 2})}, {"n", Ints({times})}});
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    EXPECT_THAT(Dims(outputs->at("y")), ElementsAre(2 * times));
    EXPECT_EQ(ValuesOf<float>(outputs->at("y")).back(), 2);
  }
  auto where = TfliteTestModel("where").Run({{"x", Floats({0, 1, 0, 1})}});
  ASSERT_TRUE(where.ok()) << where.status();
  EXPECT_THAT(ValuesOf<int64_t>(where->at("y")), ElementsAre(1, 3));
  auto none = TfliteTestModel("where").Run({{"x", Floats({0})}});
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_THAT(Dims(none->at("y")), ElementsAre(0, 1));
  TfliteTestModel loop("loop");
  for (float start : {1.f, 3.f}) {
    auto outputs = loop.Run({{"x", Floats({start})}});
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    EXPECT_THAT(ValuesOf<float>(outputs->at("y")), ElementsAre(1024 * start));
  }
}

TEST(TfliteEngineTest, OutputsMayBeConstantsOrInputs) {
  TfliteTestModel model("constant");
  for (float value : {6.f, 5.f}) {
    auto outputs = model.Run({{"x", Floats({value})}});
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    EXPECT_EQ(outputs->size(), 2u);
    EXPECT_THAT(ValuesOf<float>(outputs->at("x")), ElementsAre(value));
    EXPECT_THAT(ValuesOf<float>(outputs->at("c")), ElementsAre(7, 8));
  }
}

// Per-channel weights need a version of FULLY_CONNECTED that runtimes before 2.17 lack.
TEST(TfliteEngineTest, ModelsOfTodaysConverterRun) {
  TfliteTestModel exact("dense"), quantized("dense_quantized");
  ASSERT_TRUE(quantized.status().ok()) << quantized.status();
  const auto run = [](TfliteTestModel& model) {
    const std::string input = model.model().signatures().Find("")->inputs[0].name;
    return ValuesOf<float>(model.Run({{input, Matrix(2, 64, 0.5f)}})->begin()->second);
  };
  EXPECT_THAT(run(quantized), testing::Pointwise(testing::FloatNear(0.05f), run(exact)));
}

TEST(TfliteEngineTest, AnotherElementTypeIsRefused) {
  TfliteTestModel model("half_plus_two");
  EXPECT_EQ(model.Run({{"x", Ints({1})}}).status(),
            absl::InvalidArgumentError("Expects arg[0] to be float but int32 is provided"));
  EXPECT_EQ(model.Run({{"x", Texts({"1"})}}).status(),
            absl::InvalidArgumentError("Expects arg[0] to be float but string is provided"));
}

TEST(TfliteEngineTest, WhatCannotBeServedIsRefusedAtLoad) {
  struct Row {
    const char* model;
    absl::StatusCode code;
    const char* text;
  };
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  constexpr auto kInternal = absl::StatusCode::kInternal;
  constexpr char kNoModel[] = "Cannot build FlatBufferModel from buffer.";
  const Row rows[] = {
      {"cut", kInvalid, kNoModel},
      {"other_file", kInvalid, kNoModel},
      {"empty_file", kInvalid, kNoModel},
      {"wild_index", kInvalid, kNoModel},
      {"wild_buffer", kInvalid, kNoModel},
      {"endless", kInvalid, kNoModel},
      {"other_weights", kInvalid, kNoModel},
      {"new_operator", kInternal,
       "Cannot build Interpreter from buffer. The model needs the operator MUL, which the TFLite "
       "runtime does not have in version 99"},
      {"flex_operator", kInternal,
       "Cannot build Interpreter from buffer. The model needs the operator FlexErf, which is one "
       "of TensorFlow"},
      {"custom_operator", kInternal,
       "Cannot build Interpreter from buffer. The model needs the operator MyOperator, which the "
       "TFLite runtime does not have"},
      {"unknown_tensor", kInternal,
       "Unknown tensor 'z'.\n\tSignature input x references an unknown tensor"},
      {"broken_signatures", kInvalid,
       "Invalid SignatureDefs found in TfLite model: the metadata are no map of texts"},
      {"no_name", kInternal, "Input name missing for tensor index: 0"},
  };
  for (const Row& row : rows) {
    const absl::Status status = LoadError(row.model);
    EXPECT_EQ(status.code(), row.code) << row.model;
    EXPECT_EQ(base::Message(status), row.text) << row.model;
  }
  EXPECT_EQ(LoadError("no_such_model").code(), absl::StatusCode::kNotFound);
}

TEST(TfliteEngineTest, PoolsBoundTheInstances) {
  const auto instances = [](const EngineOptions& options) {
    return Tflite().Load(MadeModel("half_plus_two"), options).value()->max_instances();
  };
  EXPECT_EQ(instances({{"num_tflite_pools", "3"}}), 3u);
  EXPECT_EQ(instances({{"num_tflite_pools", "-1"}}), 1u);
  EXPECT_EQ(instances({}), std::thread::hardware_concurrency());
}

TEST(TfliteEngineTest, InstancesRunAtTheSameTime) {
  TfliteTestModel model("matrix");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&model, t] {
      auto instance = model.model().NewInstance().value();
      for (int64_t i = 0; i < 200; ++i) {
        const auto value = static_cast<float>(t + 1);
        auto outputs = model.Run(*instance, {{"x", Matrix(1 + i % 7, 2, value)}});
        ASSERT_TRUE(outputs.ok()) << outputs.status();
        ASSERT_EQ(ValuesOf<float>(outputs->at("y")).back(), 3 * value);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(TfliteEngineTest, ARunThatNobodyWaitsForIsNotStarted) {
  TfliteTestModel model("half_plus_two");
  RunRequest late;
  late.deadline = absl::UnixEpoch();
  EXPECT_EQ(model.Run({{"x", Floats({1})}}, "", late).status(),
            absl::DeadlineExceededError("Timed out waiting for notification"));
  const volatile int cancelled = 1;
  RunRequest unwanted;
  unwanted.cancelled = &cancelled;
  EXPECT_EQ(model.Run({{"x", Floats({1})}}, "", unwanted).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_TRUE(model.Run({{"x", Floats({1})}}).ok());
}

TEST(TfliteEngineTest, ARunStopsWhenNobodyWaitsAnyMore) {
  TfliteTestModel model("endless_run");
  ASSERT_TRUE(model.status().ok()) << model.status();
  RunRequest late;
  late.deadline = absl::Now() + absl::Milliseconds(20);
  EXPECT_EQ(model.Run({{"x", Floats({1})}}, "", late).status(),
            absl::DeadlineExceededError("Timed out waiting for notification"));
  auto outputs = model.Run({{"x", Floats({-1})}});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_THAT(ValuesOf<float>(outputs->begin()->second), ElementsAre(-1));
}

TEST(TfliteEngineTest, OutputsOutliveTheirModel) {
  TfliteTestModel::Tensors outputs;
  {
    TfliteTestModel model("type_string");
    outputs = *model.Run({{"x", Texts({std::string(1000, 's')})}});
    model.DropInstance();
  }
  EXPECT_EQ(TextsOf(outputs["y"])[0], std::string(1000, 's'));
}

TEST(TfliteEngineTest, OnlyAPreferredDirectoryWithAModelIsOurs) {
  std::string reason;
  EXPECT_EQ(Tflite().Probe(MadeModel("half_plus_two"), &reason), ProbeResult::kYes);
  EXPECT_EQ(Tflite().Probe(MadeModel("no_such_model"), &reason), ProbeResult::kNo);
  EXPECT_EQ(reason, "no model.tflite");
  EngineRegistry not_preferred({.directory = BATON_TEST_ENGINE_DIR});
  Engine* engine = not_preferred.Get("tflite").value();
  EXPECT_EQ(engine->Probe(MadeModel("half_plus_two"), &reason), ProbeResult::kNo);
  EXPECT_EQ(reason, "TFLite models are not preferred");
}

TEST(TfliteEngineTest, TheEstimateBoundsWhatIsMeasured) {
  for (const char* name : {"half_plus_two", "dense"}) {
    const absl::StatusOr<uint64_t> estimate = Tflite().EstimateMemory(MadeModel(name));
    ASSERT_TRUE(estimate.ok());
    const uint64_t measured = TfliteTestModel(name).model().memory_bytes();
    EXPECT_GE(measured, std::filesystem::file_size(MadeModel(name) + "/model.tflite"));
    EXPECT_LE(measured, *estimate);
  }
}

}  // namespace
}  // namespace baton::engine
