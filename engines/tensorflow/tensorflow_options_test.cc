// What the operator's settings change, seen from outside: threads of the process, the runtime's own
// counters, results.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "engine_test_model.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::engine {
namespace {

namespace fs = std::filesystem;
using tensor::DType;
using tensor::Shape;
using tensor::Tensor;
using testing::ElementsAre;
using testing::HasSubstr;

std::string Observed(const std::string& name) {
  return std::string(BATON_TEST_OBSERVED_MODELS "/") + name;
}
std::string Made(const std::string& name) { return std::string(BATON_TEST_MADE_MODELS "/") + name; }

TestModel Load(const std::string& path, const EngineOptions& options = {}) {
  absl::StatusOr<TestModel> model = TestModel::Load(path, options);
  EXPECT_TRUE(model.ok()) << path << ": " << model.status();
  return *std::move(model);
}

size_t Threads() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& task : fs::directory_iterator("/proc/self/task")) ++count;
  return count;
}

// A counter of the metrics page; 0 when it is not there yet.
int64_t Counter(const std::string& cell) {
  const std::string page = Tensorflow().Query("metrics", {}).value();
  const size_t at = page.find("\n" + cell + " ");
  return at == std::string::npos ? 0 : std::stoll(page.substr(at + cell.size() + 2));
}
int64_t Grappler(const std::string& name) {
  return Counter(":tensorflow:core:graph_optimization_usecs{kind=\"Grappler\",name=\"" + name +
                 "\"}");
}

void RunOnce(const EngineOptions& options, const std::string& path) {
  auto outputs = Load(path, options).Run("", {{"x", Floats({1, 2})}});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_THAT(Values<float>(outputs->at("y")), ElementsAre(2.5f, 3.0f));
}

const Tensor& EndlessCount() {
  static const Tensor& count = *new Tensor(
      Tensor::FromValues<int32_t>(DType::kInt32, Shape(), std::array<int32_t, 1>{2000000000}));
  return count;
}

// ConfigProto fields: 2 intra, 5 inter, 9 use_per_session_threads, 12 a pool {1: threads}.
TEST(TensorflowOptionsTest, InterOpThreadsMakeOnePoolForAllModelsThatWantAsMany) {
  RunOnce({}, Observed("half_plus_two/123"));
  struct Case {
    const char* name;
    EngineOptions options;
    size_t threads;
  };
  const Case cases[] = {
      {"ours", {{"inter_op_parallelism_threads", "0"}}, 0},
      {"also ours", {{"inter_op_parallelism_threads", "-1"}}, 0},
      {"option", {{"inter_op_parallelism_threads", "7"}}, 7},
      {"the same again", {{"inter_op_parallelism_threads", "7"}}, 0},
      {"config", {{"session_config", "\x28\x05"}}, 5},
      {"the option wins",
       {{"session_config", "\x28\x09"}, {"inter_op_parallelism_threads", "0"}},
       0},
      {"no option", {{"session_config", "\x28\x06"}, {"inter_op_parallelism_threads", "-1"}}, 6},
      {"a pool laid out", {{"session_config", std::string("\x62\x02\x08\x03", 4)}}, 3},
      {"one per session", {{"session_config", "\x28\x04\x48\x01"}}, 4},
  };
  for (const Case& c : cases) {
    const size_t before = Threads();
    TestModel model = Load(Observed("half_plus_two/123"), c.options);
    auto outputs = model.Run("", {{"x", Floats({1, 2})}});
    ASSERT_TRUE(outputs.ok()) << c.name << outputs.status();
    EXPECT_THAT(Values<float>(outputs->at("y")), ElementsAre(2.5f, 3.0f)) << c.name;
    EXPECT_EQ(Threads() - before, c.threads) << c.name;
  }
}

TEST(TensorflowOptionsTest, IntraOpThreadsAreThoseTheOperatorChose) {
  const size_t machine = std::max(2u, std::thread::hardware_concurrency());
  const Tensor x = Tensor::FromValues<float>(DType::kFloat, Shape({64, 2048}),
                                             std::vector<float>(64 * 2048, 0.5f));
  RunRequest granted;
  granted.threads = 1000;  // no more than the machine has
  for (const auto& [chosen, threads] : std::map<std::string, size_t>{
           {"0", machine}, {"1", 0}, {std::to_string(machine + 3), machine + 3}}) {
    TestModel model = Load(Made("large"), {{"intra_op_parallelism_threads", chosen}});
    const size_t before = Threads();
    ASSERT_TRUE(model.Run("", {{"x", x}}, {}, chosen == "1" ? RunRequest() : granted).ok());
    EXPECT_EQ(Threads() - before, threads) << chosen;
  }
}

TEST(TensorflowOptionsTest, ADeadlineStopsARunOnThePool) {
  TestModel model = Load(Made("loop"), {{"inter_op_parallelism_threads", "2"}});
  RunRequest run;
  run.deadline = absl::Now() + absl::Milliseconds(200);
  const auto outputs = model.Run("", {{"count", EndlessCount()}}, {}, run);
  EXPECT_EQ(outputs.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(outputs.status().message()),
              HasSubstr("Timed out waiting for notification"));
}

TEST(TensorflowOptionsTest, RunsOnThePoolHaveTheSameErrorsAndLimits) {
  TestModel model = Load(Observed("multi/1"), {{"inter_op_parallelism_threads", "2"}});
  EXPECT_EQ(model.Run("fed_and_fetched", {{"a", Floats({1})}}).status(),
            absl::InvalidArgumentError("Placeholder:0 is both fed and fetched."));
  auto twins =
      Load(Made("odd"), {{"inter_op_parallelism_threads", "2"}}).Run("twins", {{"x", Floats({2})}});
  ASSERT_TRUE(twins.ok()) << twins.status();
  EXPECT_THAT(Values<float>(twins->at("b")), ElementsAre(4));
}

TEST(TensorflowOptionsTest, MixedPrecisionAddsItsGraphOptimizer) {
  const std::string name = "auto_mixed_precision_onednn_bfloat16";
  const std::string model = Observed("half_plus_two/123");
  RunOnce({{"mixed_precision", "float8"}}, model);  // warned of and ignored
  EXPECT_EQ(Grappler(name), 0);
  RunOnce({{"mixed_precision", "bfloat16"}}, model);
  EXPECT_GT(Grappler(name), 0);
}

TEST(TensorflowOptionsTest, TheSessionConfigReachesTheGraphOptimizers) {
  const std::string model = Observed("half_plus_two/123");
  RunOnce({}, model);
  const int64_t before = Grappler("OptimizeMainGraph");
  EXPECT_GT(before, 0);
  // graph_options 10 {rewrite_options 10 {disable_meta_optimizer 19: true}}
  RunOnce({{"session_config", std::string("\x52\x05\x52\x03\x98\x01\x01", 7)}}, model);
  EXPECT_EQ(Grappler("OptimizeMainGraph"), before);
}

class SavedModelConfigTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::copy(Observed("half_plus_two/123"), model_, fs::copy_options::recursive);
    fs::create_directories(model_ / "assets.extra");
  }
  void TearDown() override { fs::remove_all(model_); }
  void Write(const std::string& bytes) {
    std::ofstream(model_ / "assets.extra" / "saved_model_config.pb", std::ios::binary) << bytes;
  }
  const fs::path model_ =
      fs::path(testing::TempDir()) / ("saved_model_config_" + std::to_string(getpid()));
};

TEST_F(SavedModelConfigTest, AModelMayTurnTheGraphOptimizerOff) {
  RunOnce({}, model_);
  const int64_t before = Grappler("OptimizeMainGraph");
  Write(std::string("\x0a\x02\x18\x01", 4));
  RunOnce({}, model_);
  EXPECT_EQ(Grappler("OptimizeMainGraph"), before);
  Write(std::string("\x0a\x02\x18\x00", 4));
  RunOnce({}, model_);
  EXPECT_GT(Grappler("OptimizeMainGraph"), before);
}

TEST_F(SavedModelConfigTest, ABadFileIsLoggedAndTheModelServes) {
  for (const std::string& bytes : {std::string("\x0a\x7f"), std::string("\x0a\x02\x18\xff", 4)}) {
    Write(bytes);
    testing::internal::CaptureStderr();
    RunOnce({}, model_);
    EXPECT_THAT(testing::internal::GetCapturedStderr(),
                HasSubstr("Failed to load saved model config: cannot parse " +
                          (model_ / "assets.extra" / "saved_model_config.pb").string()));
  }
}

TEST_F(SavedModelConfigTest, WhatHasNoEffectIsNamedOnce) {
  Write(std::string("\x0a\x04\x0a\x00\x12\x00\x12\x00", 8));
  testing::internal::CaptureStderr();
  RunOnce({}, model_);
  RunOnce({}, model_);
  const std::string log = testing::internal::GetCapturedStderr();
  for (const char* field :
       {"remote_op_remap_config", "batch_op_rewriter_config", "tfrt_runtime_config"}) {
    EXPECT_THAT(log, HasSubstr(std::string("saved_model_config.pb: ") + field)) << field;
    EXPECT_EQ(log.find(field), log.rfind(field)) << log;
  }
}

TEST(TensorflowOptionsTest, EmptyGpuOptionsAreNotWorthALine) {
  testing::internal::CaptureStderr();
  RunOnce({{"session_config", std::string("\x32\x00", 2)}}, Observed("half_plus_two/123"));
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::Not(HasSubstr("gpu_options")));
}

TEST(TensorflowOptionsTest, FieldsOfTheSessionConfigWithoutEffectAreNamedOnce) {
  // gpu_options 6 {allow_growth 4}, operation_timeout_in_ms 11, rpc_options 13, cluster_def 14,
  // experimental 16 {collective_group_leader 1}
  const std::string config("\x32\x02\x20\x01\x58\x05\x6a\x00\x72\x00\x82\x01\x03\x0a\x01x", 16);
  testing::internal::CaptureStderr();
  RunOnce({{"session_config", config}, {"per_process_gpu_memory_fraction", "0.5"}},
          Observed("half_plus_two/123"));
  RunOnce({{"session_config", config}}, Observed("half_plus_two/123"));
  const std::string log = testing::internal::GetCapturedStderr();
  for (const char* field :
       {"session config: gpu_options", "session config: operation_timeout_in_ms",
        "session config: rpc_options", "session config: cluster_def",
        "session config: experimental.collective_group_leader",
        "per_process_gpu_memory_fraction has no effect"}) {
    EXPECT_THAT(log, HasSubstr(field));
    EXPECT_EQ(log.find(field), log.rfind(field)) << log;
  }
}

// Another engine of the same plug-in; what it sets for the process holds for all.
absl::Status CreateEngine(const EngineOptions& options) {
  EngineRegistry registry(
      {.directory = BATON_TEST_ENGINE_DIR, .engine_options = {{"tensorflow", options}}});
  return registry.Get("tensorflow").status();
}

TEST(TensorflowOptionsTest, XlaIsOffWhenTheOperatorSaysSo) {
  const TestModel::Tensors inputs = {{"x", Floats({1, 2})}};
  const EngineOptions none = {{"xla_cpu_compilation_enabled", "false"},
                              {"xla_gpu_compilation_enabled", "false"}};
  const absl::Status off = Load(Made("jit"), none).Run("", inputs).status();
  EXPECT_THAT(std::string(off.message()), HasSubstr("XLA compilation disabled"));
  auto outputs = Load(Made("jit"), {{"xla_cpu_compilation_enabled", "true"}}).Run("", inputs);
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_THAT(Values<float>(outputs->at("y")), ElementsAre(3, 5));
}

TEST(TensorflowOptionsTest, AnOperatorLibraryThatCannotBeLoadedIsNamed) {
  const absl::Status missing = CreateEngine({{"custom_op_libraries", ",/not/here.so"}});
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()),
              testing::StartsWith("cannot load the operator library /not/here.so: "));
  const std::string folder = Observed("half_plus_two");
  EXPECT_EQ(CreateEngine({{"custom_op_libraries", folder}}),
            absl::NotFoundError("no operator library (*.so) in the folder " + folder));
}

TEST(TensorflowOptionsTest, OptionsThatCannotBeReadAreNamed) {
  struct Case {
    const char* key;
    std::string value;
    const char* text;
  };
  const Case cases[] = {
      {"session_config", "\x28", "option \"session_config\" is malformed"},
      {"intra_op_parallelism_threads", "two",
       "option \"intra_op_parallelism_threads\" is \"two\", not a number"},
      {"inter_op_parallelism_threads", "99999999999",
       "option \"inter_op_parallelism_threads\" is \"99999999999\", not a number"},
      {"xla_gpu_compilation_enabled", "yes",
       "option \"xla_gpu_compilation_enabled\" is \"yes\", not true or false"},
      {"per_process_gpu_memory_fraction", "",
       "option \"per_process_gpu_memory_fraction\" is \"\", not a number"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(TestModel::Load(Observed("half_plus_two/123"), {{c.key, c.value}}).status(),
              absl::InvalidArgumentError(c.text));
  }
}

}  // namespace
}  // namespace baton::engine
