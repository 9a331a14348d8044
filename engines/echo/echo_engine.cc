// The smallest complete engine: a model is a folder with a file echo.txt, and its outputs are its
// inputs. Each line of the file declares a port ("x float [-1]") or sets an option ("delay_us 500",
// "fail out of luck"); options of the load override those of the file. For tests, and as an example
// of a plug-in.
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "baton/engine_sdk.h"

namespace baton::echo {
namespace {

constexpr char kFile[] = "/echo.txt";
const std::map<std::string, int32_t> kTypes = {
    {"float", 1},  {"double", 2}, {"int32", 3}, {"uint8", 4}, {"int16", 5},   {"int8", 6},
    {"string", 7}, {"int64", 9},  {"bool", 10}, {"half", 19}, {"uint32", 22}, {"uint64", 23}};

struct Behaviour {
  std::chrono::microseconds delay{0};
  std::string failure;
};

class EchoInstance final : public sdk::Instance {
 public:
  explicit EchoInstance(const Behaviour& behaviour) : behaviour_(behaviour) {}

  sdk::Status Execute(const baton_run& run) override {
    if (behaviour_.delay.count() > 0) std::this_thread::sleep_for(behaviour_.delay);
    if (!behaviour_.failure.empty()) return {sdk::Code::kInvalidArgument, behaviour_.failure};
    for (uint32_t i = 0; i < run.num_outputs; ++i) {
      const uint32_t* port =
          std::find(run.input_ports, run.input_ports + run.num_inputs, run.output_ports[i]);
      if (port == run.input_ports + run.num_inputs) {
        return {sdk::Code::kInvalidArgument, "nothing to echo for an output"};
      }
      // Inputs live until the outputs are released: nothing to copy, nothing to release.
      run.outputs[i] = *run.inputs[port - run.input_ports];
    }
    return {};
  }

 private:
  const Behaviour behaviour_;
};

class EchoModel final : public sdk::Model {
 public:
  EchoModel(std::vector<sdk::Port> ports, Behaviour behaviour)
      : description_({{"serving_default", "tensorflow/serving/predict", ports, ports}}, 4096),
        behaviour_(std::move(behaviour)) {}
  const sdk::Description& description() const override { return description_; }
  sdk::Result<std::unique_ptr<sdk::Instance>> NewInstance() override {
    return std::unique_ptr<sdk::Instance>(new EchoInstance(behaviour_));
  }

 private:
  const sdk::Description description_;
  const Behaviour behaviour_;
};

// "[-1,2]"; "?" is an unknown rank.
std::optional<std::vector<int64_t>> ParseDims(const std::string& text) {
  if (text == "?") return std::nullopt;
  std::vector<int64_t> dims;
  std::istringstream in(text.size() < 2 ? "" : text.substr(1, text.size() - 2));
  for (std::string dim; std::getline(in, dim, ',');) dims.push_back(std::stoll(dim));
  return dims;
}

class EchoEngine final : public sdk::Engine {
 public:
  static sdk::Result<std::unique_ptr<sdk::Engine>> Create(const sdk::Options&) {
    return std::unique_ptr<sdk::Engine>(new EchoEngine);
  }
  sdk::ProbeAnswer Probe(const std::string& path) override {
    struct stat file;
    if (stat((path + kFile).c_str(), &file) == 0 && S_ISREG(file.st_mode))
      return {BATON_PROBE_YES, ""};
    return {BATON_PROBE_NO, "no echo.txt"};
  }
  sdk::Result<uint64_t> Estimate(const std::string&) override { return uint64_t{4096}; }

  sdk::Result<std::unique_ptr<sdk::Model>> Load(const std::string& path,
                                                const sdk::Options& options) override {
    std::ifstream file(path + kFile);
    if (!file) return sdk::Status(sdk::Code::kNotFound, "no file " + path + kFile);
    std::map<std::string, std::string> settings;
    std::vector<sdk::Port> ports;
    for (std::string line, first, type, dims; std::getline(file, line);) {
      std::istringstream words(line);
      if (!(words >> first)) continue;
      if (first == "delay_us" || first == "fail") {
        std::getline(words >> std::ws, settings[first]);
        continue;
      }
      if (!(words >> type >> dims) || kTypes.count(type) == 0) {
        return sdk::Status(sdk::Code::kInvalidArgument, "echo.txt: cannot read \"" + line + "\"");
      }
      ports.push_back({first, first + ":0", kTypes.at(type), ParseDims(dims), false});
    }
    for (const char* key : {"delay_us", "fail"}) {
      if (auto value = options.Find(key)) settings[key] = std::string(*value);
    }
    Behaviour behaviour;
    behaviour.failure = settings["fail"];
    if (!settings["delay_us"].empty())
      behaviour.delay = std::chrono::microseconds(std::stoll(settings["delay_us"]));
    return std::unique_ptr<sdk::Model>(new EchoModel(std::move(ports), std::move(behaviour)));
  }
};

}  // namespace
}  // namespace baton::echo

BATON_ENGINE_PLUGIN(baton::echo::EchoEngine, "echo", "1")
