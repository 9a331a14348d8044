// The TensorFlow engine: any SavedModel, through the C++ API of the published wheel
// (docs/adr/0003-tensorflow-api.md).
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/log/globals.h"
#include "baton/engine_sdk.h"
#include "metrics_page.h"
#include "saved_model_files.h"
#include "tensorflow/c/c_api.h"
#include "tensorflow_model.h"
#include "tracer.h"

namespace baton::tf_engine {
namespace {

// "serve,gpu" -> {"serve", "gpu"}; nothing means serve.
std::vector<std::string> ParseTags(std::string_view text) {
  std::vector<std::string> tags;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    if (comma > 0) tags.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
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

class TensorflowEngine final : public sdk::Engine {
 public:
  static sdk::Result<std::unique_ptr<sdk::Engine>> Create(const sdk::Options&) {
    PrepareProcess();
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
    return TensorflowModel::Load(path, ParseTags(options.Find("saved_model_tags").value_or("")));
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
