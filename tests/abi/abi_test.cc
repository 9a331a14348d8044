// The promises of the engine ABI (docs/engine_abi.md): layout, budgets, versions, and a plug-in of
// the first day.
#include <array>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "baton/engine_abi.h"
#include "engine/plugin_engine.h"
#include "engine/plugin_loader.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::engine {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Fields are only ever appended: these offsets hold for as long as the major version is 1.
static_assert(sizeof(void*) == 8, "the offsets are those of a 64-bit machine");
static_assert(offsetof(baton_tensor, struct_size) == 0 && offsetof(baton_tensor, dtype) == 8);
static_assert(offsetof(baton_tensor, memory) == 12 && offsetof(baton_tensor, rank) == 16);
static_assert(offsetof(baton_tensor, dims) == 24 && offsetof(baton_tensor, data) == 32);
static_assert(offsetof(baton_tensor, bytes) == 40 && offsetof(baton_tensor, release) == 48);
static_assert(offsetof(baton_tensor, release_context) == 56 && sizeof(baton_tensor) >= 64);
static_assert(offsetof(baton_port, name) == 8 && offsetof(baton_port, tensor_name) == 24);
static_assert(offsetof(baton_port, dtype) == 40 && offsetof(baton_port, rank) == 44);
static_assert(offsetof(baton_port, dims) == 48 && offsetof(baton_port, has_default) == 56);
static_assert(offsetof(baton_signature, method_name) == 24 &&
              offsetof(baton_signature, inputs) == 40);
static_assert(offsetof(baton_signature, outputs) == 48 &&
              offsetof(baton_signature, num_outputs) == 60);
static_assert(offsetof(baton_model_description, signatures) == 8);
static_assert(offsetof(baton_model_description, num_signatures) == 16);
static_assert(offsetof(baton_model_description, memory_bytes) == 24);
static_assert(offsetof(baton_model_description, signature_def_map) == 32);
static_assert(offsetof(baton_run, signature) == 8 && offsetof(baton_run, num_inputs) == 12);
static_assert(offsetof(baton_run, inputs) == 16 && offsetof(baton_run, input_ports) == 24);
static_assert(offsetof(baton_run, num_outputs) == 32 && offsetof(baton_run, threads) == 36);
static_assert(offsetof(baton_run, output_ports) == 40 && offsetof(baton_run, outputs) == 48);
static_assert(offsetof(baton_run, deadline_unix_nanos) == 56 &&
              offsetof(baton_run, cancelled) == 64);
static_assert(offsetof(baton_run, input_signatures) == 72 &&
              offsetof(baton_run, output_signatures) == 80);
static_assert(offsetof(baton_host_api, abi_major) == 8 &&
              offsetof(baton_host_api, status_new) == 16);
static_assert(offsetof(baton_host_api, log) == 40);
static_assert(offsetof(baton_engine_api, abi_minor) == 12 &&
              offsetof(baton_engine_api, name) == 16);
static_assert(offsetof(baton_engine_api, create) == 32 &&
              offsetof(baton_engine_api, destroy) == 104 &&
              offsetof(baton_engine_api, query) == 112);

// Functions only: the versions and names before them are no pointers to call.
constexpr size_t kEngineFunctions =
    (sizeof(baton_engine_api) - offsetof(baton_engine_api, create)) / sizeof(void*);
constexpr size_t kHostFunctions =
    (sizeof(baton_host_api) - offsetof(baton_host_api, status_new)) / sizeof(void*);
static_assert(kEngineFunctions <= 12 && kHostFunctions <= 8, "the budget of the ABI");

std::string Plugin(const std::string& name) {
  return std::string(BATON_TEST_PLUGIN_DIR "/") + name + ".so";
}

size_t Lines(const char* file) {
  std::ifstream in(file);
  EXPECT_TRUE(in.good()) << file;
  size_t lines = 0;
  for (std::string line; std::getline(in, line);) ++lines;
  return lines;
}

std::vector<std::string> ExportedSymbols(const std::string& file) {
  std::vector<std::string> symbols;
  FILE* nm = popen(("nm -D --defined-only --format=posix '" + file + "'").c_str(), "r");
  std::array<char, 4096> line;
  while (nm != nullptr && fgets(line.data(), line.size(), nm) != nullptr) {
    symbols.push_back(std::string(line.data()).substr(0, std::string(line.data()).find(' ')));
  }
  EXPECT_TRUE(nm != nullptr && pclose(nm) == 0) << file;
  return symbols;
}

TEST(AbiTest, HeaderAndReferencePluginStaySmall) {
  EXPECT_LE(Lines(BATON_SOURCE_DIR "/include/baton/engine_abi.h"), 300u);
  EXPECT_LE(Lines(BATON_SOURCE_DIR "/engines/echo/echo_engine.cc"), 120u);
}

TEST(AbiTest, TheHeaderIncludesOnlyTwoOthers) {
  std::ifstream in(BATON_SOURCE_DIR "/include/baton/engine_abi.h");
  std::vector<std::string> includes;
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("#include", 0) == 0) includes.push_back(line);
  }
  EXPECT_THAT(includes, testing::ElementsAre("#include <stddef.h>", "#include <stdint.h>"));
}

TEST(AbiTest, APluginExportsOneSymbol) {
  std::istringstream files(BATON_TEST_ENGINES);
  for (std::string file; std::getline(files, file, '|');) {
    EXPECT_THAT(ExportedSymbols(file), testing::ElementsAre("baton_engine_entry")) << file;
  }
}

TEST(AbiTest, APluginOfVersionOneStillRuns) {
  const absl::StatusOr<const baton_engine_api*> api = LoadPlugin(Plugin("v1_plugin"));
  ASSERT_TRUE(api.ok()) << api.status();
  EXPECT_EQ(*LoadPlugin(Plugin("v1_plugin")), *api);
  auto engine = NewPluginEngine(*api, {});
  ASSERT_TRUE(engine.ok());
  EXPECT_EQ((*engine)->Load("", {}).status(), absl::NotFoundError("no path"));
  EXPECT_EQ((*engine)->Query("metrics", {}).status().code(), absl::StatusCode::kUnimplemented);
  auto model = (*engine)->Load("p", {});
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->max_instances(), 1u);
  auto instance = (*model)->NewInstance();
  ASSERT_TRUE(instance.ok());
  const std::array<uint32_t, 1> ports = {0};
  RunRequest run;
  run.signature = (*model)->signatures().Find("s");
  run.output_ports = ports;
  std::vector<tensor::Tensor> outputs;
  ASSERT_TRUE((*instance)->Execute(run, &outputs).ok());
  EXPECT_EQ(outputs[0].values<float>()[0], 7.0f);

  const std::array<const Signature*, 1> signatures = {run.signature};
  run.output_signatures = signatures;
  EXPECT_EQ((*instance)->Execute(run, &outputs),
            absl::UnimplementedError("engine \"v1\" was built for engine ABI 1.0, which runs one "
                                     "signature at a time"));
}

TEST(AbiTest, RefusalsNameTheFileAndBothVersions) {
  struct Case {
    const char* plugin;
    const char* why;
  };
  const Case cases[] = {
      {"bad_plugin_1", "does not export baton_engine_entry"},
      {"bad_plugin_2", "refuses this host, which has engine ABI 1.1"},
      {"bad_plugin_3", "was built for engine ABI 2.1, this host has 1.1"},
      {"bad_plugin_4", "was built for engine ABI 1.8, this host has 1.1"},
      {"bad_plugin_5", "has a table of 40 bytes"},
      {"bad_plugin_6", "leaves functions of its table empty"},
      {"bad_plugin_7", "has no proper name or version"},
  };
  for (const Case& c : cases) {
    const absl::Status status = LoadPlugin(Plugin(c.plugin)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << c.plugin;
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr(Plugin(c.plugin)), HasSubstr(c.why)));
  }
  EXPECT_EQ(LoadPlugin(Plugin("none")).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace baton::engine
