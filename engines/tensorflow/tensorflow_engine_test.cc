// Drives the plug-in through the host's loader: the models a real TensorFlow Serving answered for,
// and models that testdata/make_models.py makes. Expected texts are those of
// tests/conformance/observed or of contract 3.3 and 5.6.
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/time/clock.h"
#include "engine_test_model.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::engine {
namespace {

using tensor::DType;
using tensor::Shape;
using tensor::Tensor;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string Observed(const std::string& name) {
  return std::string(BATON_TEST_OBSERVED_MODELS "/") + name;
}
std::string Made(const std::string& name) { return std::string(BATON_TEST_MADE_MODELS "/") + name; }

TestModel Load(const std::string& path, const EngineOptions& options = {}) {
  absl::StatusOr<TestModel> model = TestModel::Load(path, options);
  EXPECT_TRUE(model.ok()) << path << ": " << model.status();
  return *std::move(model);
}

absl::Status LoadError(const std::string& path, const EngineOptions& options = {}) {
  return TestModel::Load(path, options).status();
}

std::string Text(const absl::Status& status) { return std::string(status.message()); }

TEST(TensorflowEngineTest, ServesHalfPlusTwo) {
  TestModel model = Load(Observed("half_plus_two/123"));
  auto outputs = model.Run("", {{"x", Floats({1, 2, 5})}});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_THAT(Values<float>(outputs->at("y")), ElementsAre(2.5f, 3.0f, 4.5f));
  EXPECT_EQ(outputs->at("y").shape(), Shape({3}));
}

TEST(TensorflowEngineTest, DescribesEverySignatureAsTheModelDoes) {
  TestModel model = Load(Observed("multi/1"));
  const SignatureTable& table = model.model().signatures();
  EXPECT_EQ(table.all().size(), 8u);
  const Signature* signature = table.Find("");
  ASSERT_NE(signature, nullptr);
  EXPECT_EQ(signature->method_name, "tensorflow/serving/predict");
  ASSERT_EQ(signature->inputs.size(), 2u);
  EXPECT_EQ(signature->inputs[0].name, "a");
  EXPECT_EQ(signature->inputs[0].tensor_name, "Placeholder:0");
  EXPECT_EQ(signature->inputs[1].dtype, DType::kInt64);
  EXPECT_FALSE(signature->inputs[1].has_default);
  EXPECT_TRUE(Load(Observed("nosig/1")).model().signatures().all().empty());
}

TEST(TensorflowEngineTest, HandsOutTheSignatureDefMapOfTheModel) {
  TestModel model = Load(Observed("table/7"));
  const std::string map(model.model().signature_def_map());
  // Field 1, an entry with the key first.
  EXPECT_EQ(map[0], '\x0a');
  EXPECT_THAT(map, HasSubstr("\x0a\x0fserving_default\x12"));
  EXPECT_THAT(map, HasSubstr("hash_table_Lookup/LookupTableFindV2:0"));
}

TEST(TensorflowEngineTest, SeveralInputsAndChosenOutputs) {
  TestModel model = Load(Observed("multi/1"));
  const Tensor a =
      Tensor::FromValues<float>(DType::kFloat, Shape({1, 2}), std::array<float, 2>{1, 2});
  const Tensor b = Vector<int64_t>(DType::kInt64, {3});
  auto twice = model.Run("", {{"a", a}, {"b", b}}, {"twice_b"});
  ASSERT_TRUE(twice.ok()) << twice.status();
  EXPECT_THAT(Values<int64_t>(twice->at("twice_b")), ElementsAre(6));
  auto both = model.Run("", {{"a", a}, {"b", b}}, {"twice_b", "sum"});
  ASSERT_TRUE(both.ok());
  EXPECT_THAT(Values<int64_t>(both->at("twice_b")), ElementsAre(6));
  EXPECT_THAT(Values<float>(both->at("sum")), ElementsAre(3));
}

TEST(TensorflowEngineTest, StringsPassBothWaysWhateverTheirLength) {
  TestModel model = Load(Observed("types/1"));
  const std::string large(100000, 'x');
  const std::vector<std::string_view> texts = {"", "short", "exactly twenty-two byte", large,
                                               std::string_view("nul\0inside", 10)};
  auto outputs = model.Run("string", {{"x", Strings(texts)}});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_THAT(Texts(outputs->at("y")), testing::ElementsAreArray(texts));
}

TEST(TensorflowEngineTest, EveryElementTypePassesBitForBit) {
  TestModel model = Load(Made("types"));
  for (const Signature& signature : model.model().signatures().all()) {
    if (signature.name == "7") continue;  // strings have their own test
    const auto dtype = static_cast<DType>(std::stoi(signature.name));
    const size_t element = tensor::ByteSize(dtype);
    ASSERT_GT(element, 0u) << signature.name;
    std::string bytes(element * 3, '\0');
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i % 2);
    const Tensor x = Tensor::FromBuffer(dtype, Shape({3}), base::Buffer::Copy(bytes));
    auto outputs = model.Run(signature.name, {{"x", x}});
    ASSERT_TRUE(outputs.ok()) << signature.name << ": " << outputs.status();
    EXPECT_EQ(outputs->at("y").dtype(), dtype) << signature.name;
    EXPECT_EQ(outputs->at("y").bytes(), bytes) << signature.name;
  }
  EXPECT_GE(model.model().signatures().all().size(), 26u);
}

TEST(TensorflowEngineTest, AlignedNumbersAreNotCopied) {
  TestModel model = Load(Observed("types/1"));
  const Tensor x = Floats(std::vector<float>(1000, 1.0f));
  ASSERT_EQ(reinterpret_cast<uintptr_t>(x.buffer().data()) % 64, 0u);
  auto outputs = model.Run("float32", {{"x", x}});
  ASSERT_TRUE(outputs.ok());
  // Identity hands out its input: the very same memory came through the graph.
  EXPECT_EQ(outputs->at("y").buffer().data(), x.buffer().data());
}

TEST(TensorflowEngineTest, UnalignedNumbersAreCopiedAndRight) {
  TestModel model = Load(Observed("half_plus_two/123"));
  const Tensor block = Floats({9, 9, 9, 2, 4});
  const Tensor x = Tensor::FromBuffer(DType::kFloat, Shape({2}), block.buffer().Slice(12, 8));
  auto outputs = model.Run("", {{"x", x}});
  ASSERT_TRUE(outputs.ok());
  EXPECT_THAT(Values<float>(outputs->at("y")), ElementsAre(3, 4));
}

TEST(TensorflowEngineTest, NoKernelWritesIntoTheRequest) {
  TestModel model = Load(Made("odd"));
  const Tensor x = Floats(std::vector<float>(64, 3.0f));
  ASSERT_TRUE(model.Run("twins", {{"x", x}}).ok());
  EXPECT_THAT(Values<float>(x), testing::Each(3.0f));
}

TEST(TensorflowEngineTest, EmptyTensorsAndScalarsPass) {
  TestModel model = Load(Observed("types/1"));
  auto empty = model.Run("float32", {{"x", Floats({})}});
  ASSERT_TRUE(empty.ok()) << empty.status();
  EXPECT_EQ(empty->at("y").shape(), Shape({0}));
  auto no_strings = model.Run("string", {{"x", Strings({})}});
  ASSERT_TRUE(no_strings.ok()) << no_strings.status();
  EXPECT_EQ(no_strings->at("y").num_elements(), 0);
  const Tensor scalar = Tensor::FromValues<float>(DType::kFloat, Shape(), std::array<float, 1>{4});
  auto sum = model.Run("scalar", {{"x", scalar}});
  ASSERT_TRUE(sum.ok()) << sum.status();
  EXPECT_EQ(sum->at("y").shape().rank(), 0u);
}

TEST(TensorflowEngineTest, InputsThatAGraphKeepsAreCopied) {
  TestModel model = Load(Made("stateful"));
  std::vector<float> numbers(64, 7.0f);
  std::string text(200, 'a');
  {
    base::Buffer memory = base::Buffer::Copy({reinterpret_cast<char*>(numbers.data()), 256});
    const tensor::StringRef ref = {text.data(), text.size()};
    const Tensor texts = Tensor::FromBuffer(DType::kString, Shape({1}),
                                            base::Buffer::Wrap(&ref, sizeof(ref), nullptr));
    ASSERT_TRUE(
        model
            .Run("remember", {{"numbers", Tensor::FromBuffer(DType::kFloat, Shape({64}), memory)},
                              {"texts", texts}})
            .ok());
    std::memset(memory.mutable_data(), 0, memory.size());
    text.assign(200, 'b');
  }
  auto kept = model.Run("recall", {});
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_THAT(Values<float>(kept->at("numbers")), testing::Each(7.0f));
  EXPECT_EQ(Texts(kept->at("texts"))[0], std::string(200, 'a'));
}

TEST(TensorflowEngineTest, TablesAreFilledFromAssetsAtLoad) {
  auto made = Load(Made("vocabulary")).Run("", {{"word", Strings({"two", "zero", "seven"})}});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_THAT(Values<int64_t>(made->at("id")), ElementsAre(2, 0, -1));
  EXPECT_TRUE(Load(Observed("table/7")).Run("", {{"k", Strings({"a"})}}).ok());
}

TEST(TensorflowEngineTest, TagsChooseTheMetaGraph) {
  auto doubled = Load(Made("tags")).Run("", {{"x", Floats({1})}});
  EXPECT_THAT(Values<float>(doubled->at("y")), ElementsAre(2));
  auto tripled =
      Load(Made("tags"), {{"saved_model_tags", "gpu,serve"}}).Run("", {{"x", Floats({1})}});
  EXPECT_FALSE(tripled.ok() &&
               Values<float>(tripled->at("y"))[0] != 2);  // shares the variables of {serve}
  const absl::Status status = LoadError(Made("tags"), {{"saved_model_tags", "train"}});
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(
      Text(status),
      StartsWith("Could not find meta graph def matching supplied tags: { train }. To inspect "
                 "available tag-sets in the SavedModel, please use the SavedModel CLI: "
                 "`saved_model_cli`"));
}

TEST(TensorflowEngineTest, ADefaultFillsAnInputThatIsLeftOut) {
  TestModel model = Load(Made("odd"));
  const Signature* signature = model.model().signatures().Find("defaults");
  EXPECT_TRUE(signature->inputs[*signature->FindInput("bias")].has_default);
  EXPECT_FALSE(signature->inputs[*signature->FindInput("x")].has_default);
  auto filled = model.Run("defaults", {{"x", Floats({1})}});
  ASSERT_TRUE(filled.ok()) << filled.status();
  EXPECT_THAT(Values<float>(filled->at("y")), ElementsAre(2.5f));
  const Tensor bias = Tensor::FromValues<float>(DType::kFloat, Shape(), std::array<float, 1>{4});
  auto given = model.Run("defaults", {{"x", Floats({1})}, {"bias", bias}});
  EXPECT_THAT(Values<float>(given->at("y")), ElementsAre(6));
  EXPECT_EQ(model.Run("unfed", {{"x", Floats({1})}}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(TensorflowEngineTest, InteriorTensorsCanBeFedAndFetched) {
  const Tensor bias = Tensor::FromValues<float>(DType::kFloat, Shape(), std::array<float, 1>{1});
  auto outputs = Load(Made("odd")).Run("interior", {{"mul", Floats({10})}, {"bias", bias}});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_THAT(Values<float>(outputs->at("y")), ElementsAre(11));
  auto fed =
      Load(Observed("half_plus_three/123")).Run("regress_x2_to_y3", {{"inputs", Floats({2})}});
  EXPECT_TRUE(fed.ok()) << fed.status();
}

TEST(TensorflowEngineTest, OneTensorUnderTwoNamesIsReturnedTwice) {
  auto outputs = Load(Made("odd")).Run("twins", {{"x", Floats({2})}});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_THAT(Values<float>(outputs->at("a")), ElementsAre(4));
  EXPECT_THAT(Values<float>(outputs->at("b")), ElementsAre(4));
}

// tf.Example{x: [2]}.
const std::string_view kExample("\x0a\x0f\x0a\x0d\x0a\x01x\x12\x08\x12\x06\x0a\x04\0\0\0\x40", 17);

TEST(TensorflowEngineTest, OneRunAnswersSeveralSignatures) {
  TestModel model = Load(Observed("half_plus_two/123"));
  const Tensor examples = Strings({kExample, kExample});
  auto outputs = model.RunMany(
      {{{"regress_x_to_y", "inputs"}, examples}, {{"classify_x_to_y", "inputs"}, examples}},
      {{"regress_x_to_y2", "outputs"},
       {"classify_x_to_y", "scores"},
       {"regress_x_to_y", "outputs"}});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  ASSERT_EQ(outputs->size(), 3u);
  EXPECT_THAT(Values<float>((*outputs)[0]), ElementsAre(4, 4));
  EXPECT_THAT(Values<float>((*outputs)[1]), ElementsAre(3, 3));
  EXPECT_THAT(Values<float>((*outputs)[2]), ElementsAre(3, 3));
}

TEST(TensorflowEngineTest, ATensorThatTwoSignaturesShareTakesOneValue) {
  TestModel model = Load(Observed("half_plus_two/123"));
  auto outputs = model.RunMany({{{"regress_x_to_y", "inputs"}, Strings({kExample})},
                                {{"classify_x_to_y", "inputs"}, Strings({kExample, kExample})}},
                               {{"classify_x_to_y", "scores"}});
  EXPECT_EQ(outputs.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Text(outputs.status()), HasSubstr("fed more than once"));
}

TEST(TensorflowEngineTest, ADefaultOfOneSignatureGivesWayToAValueForAnother) {
  TestModel model = Load(Made("odd"));
  const Tensor bias =
      Tensor::FromValues<float>(DType::kFloat, Shape(), std::array<float, 1>{10.0f});
  auto outputs = model.RunMany({{{"defaults", "x"}, Floats({1})}, {{"interior", "bias"}, bias}},
                               {{"defaults", "y"}, {"interior", "y"}});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_THAT(Values<float>((*outputs)[0]), ElementsAre(12));
  EXPECT_THAT(Values<float>((*outputs)[1]), ElementsAre(12));
}

TEST(TensorflowEngineTest, ARunOverSeveralSignaturesCopiesWhatOneOfThemMayKeep) {
  TestModel model = Load(Made("stateful"));
  {
    const Tensor numbers = Floats(std::vector<float>(64, 5.0f));
    const Tensor texts = Strings({std::string(100, 't')});
    ASSERT_TRUE(model
                    .RunMany({{{"remember", "numbers"}, numbers}, {{"remember", "texts"}, texts}},
                             {{"remember", "count"}, {"recall", "texts"}})
                    .ok());
    std::memset(const_cast<char*>(numbers.buffer().data()), 0, numbers.buffer().size());
  }
  EXPECT_THAT(Values<float>(model.Run("recall", {})->at("numbers")), testing::Each(5.0f));
}

TEST(TensorflowEngineTest, ADeviceThatIsNotHereIsNoReasonToFail) {
  auto outputs = Load(Made("odd")).Run("far", {{"x", Floats({9})}});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_THAT(Values<float>(outputs->at("y")), ElementsAre(3));
}

TEST(TensorflowEngineTest, SparseAndCompositeSignaturesDoNotBreakTheOthers) {
  TestModel model = Load(Made("odd"));
  const Signature* signature = model.model().signatures().Find("sparse");
  ASSERT_NE(signature, nullptr);
  EXPECT_EQ(signature->inputs[0].name, "s");
  EXPECT_EQ(signature->inputs[0].tensor_name, "");
  const absl::Status fed = model.Run("sparse", {{"s", Floats({1})}}, {"y"}).status();
  EXPECT_EQ(fed.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Text(fed),
              HasSubstr("signature \"sparse\": input \"s\" is a sparse or composite tensor"));
  EXPECT_THAT(Text(model.Run("sparse", {{"x", Floats({1})}}, {"c"}).status()),
              HasSubstr("output \"c\""));
}

TEST(TensorflowEngineTest, LongLoopsRunInTheCallersThread) {
  RunRequest run;
  const Tensor count =
      Tensor::FromValues<int32_t>(DType::kInt32, Shape(), std::array<int32_t, 1>{100000});
  auto outputs = Load(Made("odd")).Run("loop", {{"count", count}});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_EQ(outputs->at("n").values<int32_t>()[0], 100000);
  const Tensor fewer =
      Tensor::FromValues<int32_t>(DType::kInt32, Shape(), std::array<int32_t, 1>{20000});
  for (uint32_t threads : {1u, 2u, 100u}) {
    run.threads = threads;
    auto totals = Load(Made("loop")).Run("", {{"count", fewer}}, {}, run);
    ASSERT_TRUE(totals.ok()) << totals.status();
    EXPECT_NEAR(totals->at("total").values<float>()[0], 1e8f, 1e5f);
  }
}

TEST(TensorflowEngineTest, ErrorsOfARunHaveTheTextsOfTensorFlowServing) {
  struct Case {
    const char* name;
    const char* model;
    const char* signature;
    TestModel::Tensors inputs;
    const char* text;
  };
  const Case cases[] = {
      {"operation",
       "special/1",
       "fails",
       {{"x", Floats({1, 2, 5})}},
       "Input to reshape is a tensor with 3 values, but the requested shape has 7\n\t [[{{node "
       "Reshape}}]]"},
      {"parsing",
       "half_plus_two/123",
       "classify_x_to_y",
       {{"inputs",
         Strings({std::string_view("\x0a\x0e\x0a\x0c\x0a\x01x\x12\x07\x12\x05\x0a\x03", 13)})}},
       "Could not parse example input, value: "
       "'\x0a\x0e\x0a\x0c\x0a\x01x\x12\x07\x12\x05\x0a\x03'\n\t "
       "[[{{node ParseExample/ParseExampleV2}}]]"},
      {"wrong type",
       "half_plus_two/123",
       "",
       {{"x", Strings({"a"})}},
       "Expects arg[0] to be float but string is provided"},
      {"wrong number type",
       "half_plus_two/123",
       "",
       {{"x", Vector<double>(DType::kDouble, {1})}},
       "Expects arg[0] to be float but double is provided"},
      {"fed and fetched",
       "multi/1",
       "fed_and_fetched",
       {{"a", Floats({1})}},
       "Placeholder:0 is both fed and fetched."},
  };
  for (const Case& c : cases) {
    const absl::Status status = Load(Observed(c.model)).Run(c.signature, c.inputs).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.name;
    EXPECT_EQ(Text(status), c.text) << c.name;
  }
}

TEST(TensorflowEngineTest, ErrorsOfALoadHaveTheTextsOfTensorFlowServing) {
  EXPECT_EQ(LoadError(Observed("broken/3")),
            absl::OutOfRangeError("Read less bytes than requested"));
  const std::string nothing = Made("nothing");
  EXPECT_EQ(
      LoadError(nothing),
      absl::NotFoundError(
          "Specified file path does not appear to contain a SavedModel bundle (should have a file "
          "called `saved_model.pb`)\nSpecified file path: " +
          nothing));
  EXPECT_EQ(LoadError(Made("session_bundle")),
            absl::UnimplementedError("Session Bundle is deprecated and removed."));
  EXPECT_FALSE(LoadError(Made("short_variables")).ok());
  EXPECT_FALSE(Load(Made("no_variables")).Run("", {{"x", Floats({1})}}).ok());
}

TEST(TensorflowEngineTest, PrintsTheRuntimesMetricsInTheFormOfTensorFlowServing) {
  const std::string path = Observed("half_plus_two/123");
  TestModel model = Load(path);
  ASSERT_TRUE(model.Run("", {{"x", Floats({1})}}).ok());
  const absl::StatusOr<std::string> page = Tensorflow().Query("metrics", {});
  ASSERT_TRUE(page.ok()) << page.status();
  const std::string stage =
      ":tensorflow:cc:saved_model:load_latency_by_stage_bucket{model_path=\"" + path +
      "\",stage=\"restore_graph\",le=";
  for (const std::string& line : {
           std::string("# TYPE :tensorflow:core:graph_runs counter"),
           std::string("# TYPE :tensorflow:core:session_created gauge"),
           std::string(":tensorflow:core:session_created{} 0"),
           ":tensorflow:cc:saved_model:load_attempt_count{model_path=\"" + path +
               "\",status=\"success\"} ",
           std::string("# TYPE :tensorflow:cc:saved_model:load_latency_by_stage histogram"),
           stage + "\"32.4\"} ",
           stage + "\"1.27482e+06\"} ",
           stage + "\"+Inf\"} ",
       }) {
    EXPECT_THAT(*page, HasSubstr("\n" + line));
  }
  EXPECT_THAT(*page, Not(HasSubstr("# HELP")));
  EXPECT_EQ(page->back(), '\n');
}

TEST(TensorflowEngineTest, TracesWhatRunsBetweenStartAndCollection) {
  TestModel model = Load(Observed("half_plus_two/123"));
  EXPECT_EQ(Tensorflow().Query("profile_collect", {}).status(),
            absl::FailedPreconditionError("no trace was started"));
  EXPECT_EQ(Tensorflow().Query("profile_start", {{"options", "\xff"}}).status(),
            absl::InvalidArgumentError("malformed ProfileOptions"));
  ASSERT_TRUE(Tensorflow().Query("profile_start", {}).ok());
  EXPECT_EQ(Tensorflow().Query("profile_start", {}).status(),
            absl::InternalError("Another profiling session active."));
  ASSERT_TRUE(model.Run("", {{"x", Floats({1})}}).ok());
  const absl::StatusOr<std::string> trace = Tensorflow().Query("profile_collect", {});
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_THAT(*trace, HasSubstr("/host:CPU"));
  EXPECT_THAT(*trace, HasSubstr("SessionRun"));
  EXPECT_EQ(Tensorflow().Query("weather", {}).status().code(), absl::StatusCode::kUnimplemented);
}

TEST(TensorflowEngineTest, ARunThatNobodyWaitsForIsNotStarted) {
  TestModel model = Load(Observed("half_plus_two/123"));
  RunRequest late;
  late.deadline = absl::UnixEpoch();
  EXPECT_EQ(model.Run("", {{"x", Floats({1})}}, {}, late).status(),
            absl::DeadlineExceededError("Timed out waiting for notification"));
  RunRequest in_time;
  in_time.deadline = absl::Now() + absl::Hours(1);
  EXPECT_TRUE(model.Run("", {{"x", Floats({1})}}, {}, in_time).ok());
  const volatile int cancelled = 1;
  RunRequest unwanted;
  unwanted.cancelled = &cancelled;
  EXPECT_EQ(model.Run("", {{"x", Floats({1})}}, {}, unwanted).status().code(),
            absl::StatusCode::kCancelled);
}

TEST(TensorflowEngineTest, OutputsOutliveTheirModel) {
  TestModel::Tensors outputs;
  {
    TestModel model = Load(Observed("types/1"));
    outputs = *model.Run("string", {{"x", Strings({std::string(1000, 's')})}});
    outputs["z"] = model.Run("float32", {{"x", Floats({1, 2})}})->at("y");
    model.DropInstance();
  }
  EXPECT_EQ(Texts(outputs["y"])[0], std::string(1000, 's'));
  EXPECT_THAT(Values<float>(outputs["z"]), ElementsAre(1, 2));
}

TEST(TensorflowEngineTest, ProbeTellsWholeModelsFromPartsOfThem) {
  std::string reason;
  EXPECT_EQ(Tensorflow().Probe(Observed("half_plus_two/123"), &reason), ProbeResult::kYes)
      << reason;
  EXPECT_EQ(Tensorflow().Probe(Made("large"), &reason), ProbeResult::kYes) << reason;
  EXPECT_EQ(Tensorflow().Probe(Observed("broken/3"), &reason), ProbeResult::kMaybe);
  EXPECT_EQ(Tensorflow().Probe(Made("nothing"), &reason), ProbeResult::kNo);
  EXPECT_EQ(reason, "no saved_model.pb");

  namespace fs = std::filesystem;
  const fs::path copy = fs::path(testing::TempDir()) / "baton_probe_copy";
  fs::remove_all(copy);
  fs::copy(Observed("half_plus_two/123"), copy, fs::copy_options::recursive);
  fs::resize_file(copy / "saved_model.pb", fs::file_size(copy / "saved_model.pb") - 1);
  EXPECT_EQ(Tensorflow().Probe(copy, &reason), ProbeResult::kMaybe);
  EXPECT_EQ(reason, "saved_model.pb is cut short or damaged");
  fs::copy_file(fs::path(Observed("half_plus_two/123")) / "saved_model.pb", copy / "saved_model.pb",
                fs::copy_options::overwrite_existing);
  fs::remove(copy / "variables" / "variables.data-00000-of-00001");
  EXPECT_EQ(Tensorflow().Probe(copy, &reason), ProbeResult::kMaybe);
  EXPECT_EQ(reason, "a shard of the variables is missing");
  fs::remove_all(copy);
}

TEST(TensorflowEngineTest, TheEstimateBoundsWhatIsMeasured) {
  for (const std::string& path : {Observed("half_plus_two/123"), Made("large")}) {
    const absl::StatusOr<uint64_t> estimate = Tensorflow().EstimateMemory(path);
    ASSERT_TRUE(estimate.ok());
    const uint64_t measured = Load(path).model().memory_bytes();
    EXPECT_GT(measured, 0u);
    EXPECT_LE(measured, *estimate);
  }
  EXPECT_EQ(Tensorflow().EstimateMemory("/does/not/exist").status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace baton::engine
