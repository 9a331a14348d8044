#include "engine/engine_registry.h"

#include <array>
#include <filesystem>
#include <fstream>

#include "base/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::engine {
namespace {

namespace fs = std::filesystem;
using tensor::DType;
using tensor::Shape;
using tensor::Tensor;
using testing::Contains;
using testing::HasSubstr;

class FakeEngine final : public Engine {
 public:
  FakeEngine(std::string name, ProbeResult probe) : name_(std::move(name)), probe_(probe) {}
  std::string_view name() const override { return name_; }
  std::string_view version() const override { return "0"; }
  ProbeResult Probe(const std::string&, std::string* reason) override {
    *reason = "because";
    return probe_;
  }
  absl::StatusOr<uint64_t> EstimateMemory(const std::string&) override { return 0; }
  absl::StatusOr<std::unique_ptr<Model>> Load(const std::string&, const EngineOptions&) override {
    return absl::UnimplementedError("fake");
  }

 private:
  const std::string name_;
  const ProbeResult probe_;
};

class EngineRegistryTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ =
        fs::path(testing::TempDir()) /
        base::StrCat("registry_", testing::UnitTest::GetInstance()->current_test_info()->name(),
                     "_", getpid());
    fs::create_directories(directory_);
  }
  void TearDown() override { fs::remove_all(directory_); }

  void Write(const std::string& file, std::string_view text) {
    std::ofstream(directory_ / file) << text;
  }
  std::string path() const { return directory_.string(); }
  EngineRegistryOptions Here(std::string default_engine = "tensorflow") {
    EngineRegistryOptions options;
    options.directory = path();
    options.default_engine = std::move(default_engine);
    return options;
  }

  fs::path directory_;
};

TEST_F(EngineRegistryTest, FindsPluginsByFileName) {
  Write("baton_engine_x.so", "");
  Write("baton_engine_.so", "");
  Write("libother.so", "");
  Write("baton_engine_y.so.bak", "");
  EXPECT_THAT(EngineRegistry(Here()).Names(), testing::ElementsAre("x"));
}

TEST_F(EngineRegistryTest, AFileThatIsNoPluginIsRefusedByName) {
  Write("baton_engine_x.so", "not an ELF file");
  EngineRegistry registry(Here());
  const absl::Status status = registry.Get("x").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("baton_engine_x.so"));
  EXPECT_EQ(registry.Get("y").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(EngineRegistryTest, AFileWithAnotherEnginesNameIsRefused) {
  fs::copy_file(fs::path(BATON_TEST_ENGINE_DIR) / "baton_engine_echo.so",
                directory_ / "baton_engine_other.so");
  const absl::Status status = EngineRegistry(Here()).Get("other").status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("calls itself \"echo\""));
}

TEST_F(EngineRegistryTest, YesWinsThenTheDefaultThenMaybe) {
  struct Case {
    ProbeResult a, b;
    bool has_default;
    std::string_view chosen;  // empty: none
  };
  constexpr auto kNo = ProbeResult::kNo, kMaybe = ProbeResult::kMaybe, kYes = ProbeResult::kYes;
  const Case cases[] = {
      {kNo, kYes, true, "b"},     {kYes, kYes, true, "a"}, {kMaybe, kYes, true, "b"},
      {kMaybe, kNo, true, "def"}, {kNo, kNo, true, "def"}, {kNo, kMaybe, false, "b"},
      {kNo, kNo, false, ""},
  };
  for (const Case& c : cases) {
    EngineRegistry registry(Here("def"));
    registry.Add(std::make_unique<FakeEngine>("a", c.a));
    registry.Add(std::make_unique<FakeEngine>("b", c.b));
    if (c.has_default) registry.Add(std::make_unique<FakeEngine>("def", kNo));
    const absl::StatusOr<Engine*> engine = registry.ForPath("p");
    if (c.chosen.empty()) {
      EXPECT_EQ(engine.status().code(), absl::StatusCode::kNotFound);
      EXPECT_THAT(std::string(engine.status().message()), HasSubstr("a: because; b: because"));
    } else {
      ASSERT_TRUE(engine.ok()) << engine.status();
      EXPECT_EQ((*engine)->name(), c.chosen);
    }
  }
}

TEST_F(EngineRegistryTest, TheDefaultEngineIsNotLoadedForAPathAnotherOneClaims) {
  Write("baton_engine_tensorflow.so", "loading this would fail");
  EngineRegistry registry(Here());
  registry.Add(std::make_unique<FakeEngine>("a", ProbeResult::kYes));
  EXPECT_TRUE(registry.ForPath("p").ok());
}

TEST_F(EngineRegistryTest, KnowsTheEnginesInUseWithoutLoadingAny) {
  EngineRegistryOptions options;
  options.directory = BATON_TEST_ENGINE_DIR;
  options.default_engine = "echo";
  EngineRegistry registry(options);
  EXPECT_THAT(registry.Loaded(), testing::IsEmpty());
  registry.Add(std::make_unique<FakeEngine>("b", ProbeResult::kYes));
  registry.Add(std::make_unique<FakeEngine>("a", ProbeResult::kYes));
  ASSERT_TRUE(registry.Get("echo").ok());
  std::vector<std::string> names;
  for (Engine* engine : registry.Loaded()) names.emplace_back(engine->name());
  EXPECT_THAT(names, testing::ElementsAre("b", "a", "echo"));
}

TEST_F(EngineRegistryTest, EchoServesAFolderEndToEnd) {
  Write("echo.txt", "x float [-1]\nname string []\n");
  EngineRegistryOptions options;
  options.directory = BATON_TEST_ENGINE_DIR;
  EngineRegistry registry(options);
  EXPECT_THAT(registry.Names(), Contains("echo"));
  absl::StatusOr<Engine*> engine = registry.ForPath(path());
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_EQ((*engine)->name(), "echo");
  absl::StatusOr<std::unique_ptr<Model>> model = (*engine)->Load(path(), {});
  ASSERT_TRUE(model.ok()) << model.status();
  const Signature* signature = (*model)->signatures().Find("");
  ASSERT_NE(signature, nullptr);

  const std::array<float, 2> values = {1, 2};
  const std::array<std::string_view, 1> names = {"baton"};
  const std::vector<Tensor> inputs = {Tensor::FromValues<float>(DType::kFloat, Shape({2}), values),
                                      Tensor::FromStrings(Shape(), names)};
  const std::vector<uint32_t> input_ports = {*signature->FindInput("x"),
                                             *signature->FindInput("name")};
  const std::vector<uint32_t> output_ports = {*signature->FindOutput("name"),
                                              *signature->FindOutput("x")};
  RunRequest run;
  run.signature = signature;
  run.inputs = inputs;
  run.input_ports = input_ports;
  run.output_ports = output_ports;
  auto instance = (*model)->NewInstance();
  ASSERT_TRUE(instance.ok());
  std::vector<Tensor> outputs;
  ASSERT_TRUE((*instance)->Execute(run, &outputs).ok());
  EXPECT_EQ(outputs[0].strings()[0].view(), "baton");
  EXPECT_EQ(outputs[1].buffer().data(), inputs[0].buffer().data());  // not copied
}

TEST_F(EngineRegistryTest, EchoFailsAsItIsTold) {
  Write("echo.txt", "x float [-1]\nfail out of luck\n");
  EngineRegistryOptions options;
  options.directory = BATON_TEST_ENGINE_DIR;
  EngineRegistry registry(options);
  Engine* echo = *registry.Get("echo");
  auto run = [&](const EngineOptions& load_options) {
    auto model = *echo->Load(path(), load_options);
    RunRequest request;
    request.signature = model->signatures().Find("");
    std::vector<Tensor> outputs;
    return (*model->NewInstance())->Execute(request, &outputs);
  };
  EXPECT_EQ(run({}), absl::InvalidArgumentError("out of luck"));
  EXPECT_EQ(run({{"fail", "another text"}}), absl::InvalidArgumentError("another text"));
  // stoll throws inside the plug-in; the barrier makes a status of it.
  EXPECT_EQ(echo->Load(path(), {{"delay_us", "soon"}}).status(), absl::InternalError("stoll"));
  Write("echo.txt", "x complex1024 [-1]");
  EXPECT_EQ(echo->Load(path(), {}).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace baton::engine
