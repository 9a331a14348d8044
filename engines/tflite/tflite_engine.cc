// The TFLite engine: version directories with a model.tflite, when asked to prefer them, through
// the runtime of the wheel ai-edge-litert (docs/tflite.md).
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "baton/engine_sdk.h"
#include "tflite_model.h"

namespace baton::tflite_engine {
namespace {

constexpr char kVersion[] = "litert-2.3.0";

// The number of interpreters of a model: the option, at least 1; the CPUs when there is none.
uint32_t Pools(const sdk::Options& options) {
  int pools = 0;
  if (auto text = options.Find("num_tflite_pools")) {
    std::from_chars(text->data(), text->data() + text->size(), pools);
  }
  if (pools == 0) pools = static_cast<int>(std::thread::hardware_concurrency());
  return static_cast<uint32_t>(std::max(pools, 1));
}

// Options: prefer_tflite_model=true for the engine, without which no directory is its own;
// num_tflite_pools for a load.
class TfliteEngine final : public sdk::Engine {
 public:
  explicit TfliteEngine(bool is_preferred) : is_preferred_(is_preferred) {}

  static sdk::Result<std::unique_ptr<sdk::Engine>> Create(const sdk::Options& options) {
    return std::unique_ptr<sdk::Engine>(
        new TfliteEngine(options.Find("prefer_tflite_model") == "true"));
  }

  sdk::ProbeAnswer Probe(const std::string& path) override {
    if (!is_preferred_) return {BATON_PROBE_NO, "TFLite models are not preferred"};
    struct stat file;
    if (stat((path + kFileName).c_str(), &file) != 0 || !S_ISREG(file.st_mode)) {
      return {BATON_PROBE_NO, "no model.tflite"};
    }
    return {BATON_PROBE_YES, ""};
  }

  sdk::Result<uint64_t> Estimate(const std::string& path) override {
    struct stat file;
    if (stat((path + kFileName).c_str(), &file) != 0) {
      return sdk::Status(sdk::Code::kNotFound, "no " + path + kFileName);
    }
    return EstimatedBytes(static_cast<uint64_t>(file.st_size));
  }

  sdk::Result<std::unique_ptr<sdk::Model>> Load(const std::string& path,
                                                const sdk::Options& options) override {
    sdk::Result<const Runtime*> runtime = Runtime::Get();
    if (!runtime.ok()) return runtime.status();
    return TfliteModel::Load(**runtime, path, Pools(options));
  }

 private:
  const bool is_preferred_;
};

}  // namespace
}  // namespace baton::tflite_engine

BATON_ENGINE_PLUGIN(baton::tflite_engine::TfliteEngine, "tflite", baton::tflite_engine::kVersion)
