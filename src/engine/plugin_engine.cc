#include "engine/plugin_engine.h"

#include <malloc.h>

#include <atomic>
#include <cstddef>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "base/buffer.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "engine/abi_tensor.h"
#include "engine/host_api.h"
#include "engine/model_description.h"

namespace baton::engine {
namespace {

// The first minor version of the ABI whose baton_run has signatures by port.
constexpr uint32_t kSeveralSignaturesMinor = 1;

baton_str ToAbiText(std::string_view text) { return {text.data(), text.size()}; }

std::vector<baton_option> ToAbiOptions(const EngineOptions& options) {
  std::vector<baton_option> out;
  out.reserve(options.size());
  for (const auto& [key, value] : options) out.push_back({ToAbiText(key), ToAbiText(value)});
  return out;
}

absl::Status Misbehaved(const baton_engine_api* api, std::string_view what) {
  return absl::InternalError(base::StrCat("engine \"", api->name, "\": ", what));
}

// Gives free memory back to the kernel. One thread walks the heap; an unload that ends meanwhile is
// covered by one more round of that thread, so a burst of unloads costs two rounds and the last one
// is never missed.
void ReturnFreeMemory() {
  static std::atomic<int> requests{0};
  if (requests.fetch_add(1, std::memory_order_acq_rel) != 0) return;
  int seen = 1;
  do {
    base::Buffer::TrimPool();
    malloc_trim(0);
    // Not zero yet: others asked while we were at it.
  } while ((seen = requests.fetch_sub(seen, std::memory_order_acq_rel) - seen) != 0);
}

class PluginInstance final : public Instance {
 public:
  PluginInstance(const baton_engine_api* api, baton_instance* instance,
                 const ModelDescription& description)
      : api_(api), instance_(instance), description_(description) {}
  ~PluginInstance() override { api_->instance_free(instance_); }

  absl::Status Execute(const RunRequest& request, std::vector<tensor::Tensor>* outputs) override;

 private:
  using Indices = absl::InlinedVector<uint32_t, 8>;

  // One side of a run in the engine's numbers. `signatures` stays empty while all ports are of one.
  struct Side {
    Indices ports;
    Indices signatures;
  };
  absl::Status Translate(const Signature* signature, std::span<const Signature* const> signatures,
                         std::span<const uint32_t> ports,
                         std::vector<uint32_t> EnginePorts::*engine_ports, Side* out) const;
  const EnginePorts* PortsOf(const Signature* signature) const {
    const bool known = signature != nullptr && signature->index < description_.engine_ports.size();
    return known ? &description_.engine_ports[signature->index] : nullptr;
  }

  const baton_engine_api* const api_;
  baton_instance* const instance_;
  const ModelDescription& description_;  // of the model, which outlives its instances
};

absl::Status PluginInstance::Translate(const Signature* signature,
                                       std::span<const Signature* const> signatures,
                                       std::span<const uint32_t> ports,
                                       std::vector<uint32_t> EnginePorts::*engine_ports,
                                       Side* out) const {
  if (!signatures.empty() && signatures.size() != ports.size()) {
    return Misbehaved(api_, "called with a signature for some ports only");
  }
  for (size_t i = 0; i < ports.size(); ++i) {
    const EnginePorts* of = PortsOf(signatures.empty() ? signature : signatures[i]);
    if (of == nullptr) return Misbehaved(api_, "called with a request of another model");
    const std::vector<uint32_t>& known = of->*engine_ports;
    if (ports[i] >= known.size()) return Misbehaved(api_, "called with an unknown port");
    out->ports.push_back(known[ports[i]]);
    if (!signatures.empty()) out->signatures.push_back(of->signature);
  }
  return absl::OkStatus();
}

absl::Status PluginInstance::Execute(const RunRequest& request,
                                     std::vector<tensor::Tensor>* outputs) {
  outputs->clear();
  const EnginePorts* ports = PortsOf(request.signature);
  if (ports == nullptr || request.inputs.size() != request.input_ports.size()) {
    return Misbehaved(api_, "called with a request of another model");
  }
  if ((!request.input_signatures.empty() || !request.output_signatures.empty()) &&
      api_->abi_minor < kSeveralSignaturesMinor) {
    return absl::UnimplementedError(
        base::StrCat("engine \"", api_->name, "\" was built for engine ABI ", api_->abi_major, ".",
                     api_->abi_minor, ", which runs one signature at a time"));
  }
  Side in;
  Side out;
  BATON_RETURN_IF_ERROR(Translate(request.signature, request.input_signatures, request.input_ports,
                                  &EnginePorts::inputs, &in));
  BATON_RETURN_IF_ERROR(Translate(request.signature, request.output_signatures,
                                  request.output_ports, &EnginePorts::outputs, &out));

  auto memory = std::make_shared<RunOutputs>(out.ports.size());
  absl::InlinedVector<baton_tensor, 4> inputs;
  absl::InlinedVector<const baton_tensor*, 4> input_pointers;
  inputs.reserve(request.inputs.size());
  for (const tensor::Tensor& input : request.inputs) {
    memory->KeepInput(input);
    inputs.push_back(ToAbi(input));
    input_pointers.push_back(&inputs.back());
  }
  baton_run run = {};
  run.struct_size = sizeof(run);
  run.signature = ports->signature;
  run.num_inputs = static_cast<uint32_t>(inputs.size());
  run.inputs = input_pointers.data();
  run.input_ports = in.ports.data();
  run.num_outputs = static_cast<uint32_t>(out.ports.size());
  run.threads = request.threads == 0 ? 1 : request.threads;
  run.output_ports = out.ports.data();
  run.outputs = memory->descriptors();
  run.deadline_unix_nanos = absl::ToUnixNanos(request.deadline);  // saturates
  run.cancelled = request.cancelled;
  run.input_signatures = in.signatures.empty() ? nullptr : in.signatures.data();
  run.output_signatures = out.signatures.empty() ? nullptr : out.signatures.data();
  BATON_RETURN_IF_ERROR(TakeStatus(api_->execute(instance_, &run)));

  outputs->reserve(out.ports.size());
  for (size_t i = 0; i < out.ports.size(); ++i) {
    absl::StatusOr<tensor::Tensor> output = FromAbi(memory->view()[i], memory);
    if (!output.ok()) {
      outputs->clear();
      const Signature& signature =
          request.output_signatures.empty() ? *request.signature : *request.output_signatures[i];
      return Misbehaved(api_, base::StrCat("bad tensor for output \"",
                                           signature.outputs[request.output_ports[i]].name,
                                           "\": ", output.status().message()));
    }
    outputs->push_back(*std::move(output));
  }
  return absl::OkStatus();
}

class PluginModel final : public Model {
 public:
  PluginModel(const baton_engine_api* api, baton_model* model, ModelDescription description)
      : api_(api), model_(model), description_(std::move(description)) {}
  ~PluginModel() override {
    api_->unload(model_);
    ReturnFreeMemory();
  }

  const SignatureTable& signatures() const override { return description_.signatures; }
  uint64_t memory_bytes() const override { return description_.memory_bytes; }
  uint32_t max_instances() const override { return description_.max_instances; }
  std::string_view signature_def_map() const override { return description_.signature_def_map; }

  absl::StatusOr<std::unique_ptr<Instance>> NewInstance() override {
    baton_instance* instance = nullptr;
    BATON_RETURN_IF_ERROR(TakeStatus(api_->instance_new(model_, &instance)));
    if (instance == nullptr) return Misbehaved(api_, "neither an instance nor an error");
    return std::make_unique<PluginInstance>(api_, instance, description_);
  }

 private:
  const baton_engine_api* const api_;
  baton_model* const model_;
  const ModelDescription description_;
};

// What a query is answered with, piece by piece.
struct Answer {
  std::string bytes;
  bool out_of_memory = false;

  static void Give(void* context, const char* bytes, size_t size) {
    auto* answer = static_cast<Answer*>(context);
    if (bytes == nullptr || size == 0) return;
    try {
      answer->bytes.append(bytes, size);
    } catch (const std::exception&) {
      answer->out_of_memory = true;  // a C caller cannot catch it
    }
  }
};

bool HasQuery(const baton_engine_api* api) {
  return api->struct_size >= offsetof(baton_engine_api, query) + sizeof(api->query) &&
         api->query != nullptr;
}

class PluginEngine final : public Engine {
 public:
  PluginEngine(const baton_engine_api* api, baton_engine* engine) : api_(api), engine_(engine) {}
  ~PluginEngine() override { api_->destroy(engine_); }

  std::string_view name() const override { return api_->name; }
  std::string_view version() const override { return api_->version; }

  ProbeResult Probe(const std::string& path, std::string* reason) override {
    baton_str why = {};
    const baton_probe result = api_->probe(engine_, ToAbiText(path), &why);
    reason->assign(why.data == nullptr ? "" : why.data, why.data == nullptr ? 0 : why.size);
    switch (result) {
      case BATON_PROBE_YES:
        return ProbeResult::kYes;
      case BATON_PROBE_MAYBE:
        return ProbeResult::kMaybe;
      default:
        return ProbeResult::kNo;
    }
  }

  absl::StatusOr<uint64_t> EstimateMemory(const std::string& path) override {
    uint64_t bytes = 0;
    BATON_RETURN_IF_ERROR(TakeStatus(api_->estimate(engine_, ToAbiText(path), &bytes)));
    return bytes;
  }

  absl::StatusOr<std::unique_ptr<Model>> Load(const std::string& path,
                                              const EngineOptions& options) override {
    const std::vector<baton_option> abi_options = ToAbiOptions(options);
    baton_model* model = nullptr;
    BATON_RETURN_IF_ERROR(TakeStatus(
        api_->load(engine_, ToAbiText(path), abi_options.data(), abi_options.size(), &model)));
    if (model == nullptr) return Misbehaved(api_, "neither a model nor an error");
    absl::StatusOr<ModelDescription> description = ReadDescription(api_->describe(model));
    if (!description.ok()) {
      api_->unload(model);
      return Misbehaved(api_, base::Message(description.status()));
    }
    return std::make_unique<PluginModel>(api_, model, *std::move(description));
  }

  absl::StatusOr<std::string> Query(std::string_view what, const EngineOptions& options) override {
    if (!HasQuery(api_)) return Engine::Query(what, options);
    const std::vector<baton_option> abi_options = ToAbiOptions(options);
    Answer answer;
    BATON_RETURN_IF_ERROR(TakeStatus(api_->query(engine_, ToAbiText(what), abi_options.data(),
                                                 abi_options.size(), &answer, Answer::Give)));
    if (answer.out_of_memory) return absl::ResourceExhaustedError("out of memory");
    return std::move(answer.bytes);
  }

 private:
  const baton_engine_api* const api_;
  baton_engine* const engine_;
};

}  // namespace

absl::StatusOr<std::string> Engine::Query(std::string_view what, const EngineOptions& options) {
  return absl::UnimplementedError(
      base::StrCat("engine \"", name(), "\" has no answer to \"", what, "\""));
}

absl::StatusOr<std::unique_ptr<Engine>> NewPluginEngine(const baton_engine_api* api,
                                                        const EngineOptions& options) {
  const std::vector<baton_option> abi_options = ToAbiOptions(options);
  baton_engine* engine = nullptr;
  BATON_RETURN_IF_ERROR(TakeStatus(api->create(abi_options.data(), abi_options.size(), &engine)));
  if (engine == nullptr) return Misbehaved(api, "neither an engine nor an error");
  return std::make_unique<PluginEngine>(api, engine);
}

}  // namespace baton::engine
