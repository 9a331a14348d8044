// The TensorFlow engine: any SavedModel, through the C++ API of the published wheel
// (docs/adr/0003-tensorflow-api.md).
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/log/globals.h"
#include "baton/engine_sdk.h"
#include "comma_list.h"
#include "metrics_page.h"
#include "operator_libraries.h"
#include "saved_model_files.h"
#include "session_settings.h"
#include "tensorflow/c/c_api.h"
#include "tensorflow/compiler/jit/flags.h"
#include "tensorflow_model.h"
#include "tracer.h"

namespace baton::tf_engine {
namespace {

// "serve,gpu" -> {"serve", "gpu"}; nothing means serve.
std::vector<std::string> ParseTags(std::string_view text) {
  std::vector<std::string> tags = SplitAtCommas(text);
  if (tags.empty()) tags.emplace_back("serve");
  return tags;
}

// What the operator set in the environment stays.
void PrepareProcess() {
  constexpr int kKeepOperatorsValue = 0;
  // Otherwise oneDNN's pool keeps the memory of every model that was ever loaded. Read with the
  // first session.
  setenv("TF_ONEDNN_USE_SYSTEM_ALLOCATOR", "1", kKeepOperatorsValue);
  // Errors only: the rest is about TensorFlow, not about the server, and a line per failed request.
  // The variable was read when the library was loaded.
  if (std::getenv("TF_CPP_MIN_LOG_LEVEL") == nullptr) {
    absl::SetMinLogLevel(absl::LogSeverityAtLeast::kError);
  }
}

// Whether graphs may be compiled with XLA is one switch of the process, which each load sets the
// way it wants it. Without the options it stays as it is, on.
sdk::Status SetXla(const sdk::Options& options) {
  bool is_given = false;
  bool is_enabled = false;
  for (const char* key : {"xla_cpu_compilation_enabled", "xla_gpu_compilation_enabled"}) {
    const std::optional<std::string_view> value = options.Find(key);
    if (!value) continue;
    if (*value != "true" && *value != "false") {
      return {sdk::Code::kInvalidArgument, "option \"" + std::string(key) + "\" is \"" +
                                               std::string(*value) + "\", not true or false"};
    }
    is_given = true;
    is_enabled = is_enabled || *value == "true";
  }
  if (!is_given) return {};
  if (is_enabled) {
    tensorflow::EnableXlaCompilation();
  } else {
    tensorflow::DisableXlaCompilation();
  }
  return {};
}

class TensorflowEngine final : public sdk::Engine {
 public:
  static sdk::Result<std::unique_ptr<sdk::Engine>> Create(const sdk::Options& options) {
    PrepareProcess();
    sdk::Status status = LoadOperatorLibraries(options.Find("custom_op_libraries").value_or(""));
    if (!status.ok()) return status;
    return std::unique_ptr<sdk::Engine>(new TensorflowEngine);
  }

  sdk::ProbeAnswer Probe(const std::string& path) override { return ProbeSavedModel(path); }

  sdk::Result<uint64_t> Estimate(const std::string& path) override {
    sdk::Result<ModelFiles> files = MeasureFiles(path);
    if (!files.ok()) return files.status();
    return EstimatedBytes(*files);
  }

  sdk::Result<std::unique_ptr<sdk::Model>> Load(const std::string& path,
                                                const sdk::Options& options) override {
    if (sdk::Status status = SetXla(options); !status.ok()) return status;
    sdk::Result<SessionSettings> settings = ReadSessionSettings(path, options);
    if (!settings.ok()) return settings.status();
    return TensorflowModel::Load(path, ParseTags(options.Find("saved_model_tags").value_or("")),
                                 *settings);
  }

  sdk::Result<std::string> Query(std::string_view what, const sdk::Options& options) override {
    if (what == "metrics") return RuntimeMetricsPage();
    if (what == "profile_start") {
      sdk::Status status = tracer_.Start(options.Find("options").value_or(""));
      if (!status.ok()) return status;
      return std::string();
    }
    if (what == "profile_collect") return tracer_.Collect();
    return Engine::Query(what, options);
  }

 private:
  Tracer tracer_;
};

}  // namespace
}  // namespace baton::tf_engine

BATON_ENGINE_PLUGIN(baton::tf_engine::TensorflowEngine, "tensorflow", TF_Version())
