#include "interpreter.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <mutex>

namespace baton::tflite_engine {
namespace {

constexpr int kCpu = 1;
constexpr int64_t kOptionAccelerators = 24;
constexpr int64_t kOptionMinLogSeverity = 25;
constexpr int64_t kIntegerOption = 2;
constexpr int64_t kSilent = 4;

// Models are built one at a time, on the thread that waits for it.
std::mutex& BuildMutex() {
  static std::mutex& mutex = *new std::mutex;
  return mutex;
}
thread_local lite::Delegate* delegate_of_build = nullptr;

int GiveDelegate(const lite::Functions& functions, lite::DelegateWrapper** wrapper) {
  if (delegate_of_build == nullptr) return lite::kOk;  // a build that wants none
  return functions.WrapDelegate(
      delegate_of_build, [](lite::Delegate*) {}, wrapper);
}

// The runtime's reports of failures go to a buffer, not to the process's standard error.
void KeepReportsIn(const lite::Functions& functions, lite::Options* options) {
  static char settings[] = "error_reporter_mode = 2\n";
  lite::OpaqueOptions* runtime_options = nullptr;
  if (functions.CreateOpaqueOptions(
          "runtime_options_string", settings, [](void*) {}, &runtime_options) == lite::kOk) {
    functions.AddOpaqueOptions(options, runtime_options);
  }
}

sdk::Status CannotBuild(const std::string& why) {
  return {sdk::Code::kInternal, "Cannot build Interpreter from buffer." + why};
}

// The compiled model, or NULL.
lite::CompiledModel* Compile(const Runtime& runtime, lite::Model* model, lite::Delegate* delegate) {
  const lite::Functions& functions = runtime.functions();
  lite::Options* options = nullptr;
  if (functions.CreateOptions(&options) != lite::kOk) return nullptr;
  functions.SetOptionsHardwareAccelerators(options, kCpu);
  KeepReportsIn(functions, options);
  lite::CompiledModel* compiled = nullptr;
  {
    const std::lock_guard<std::mutex> lock(BuildMutex());
    delegate_of_build = delegate;
    if (functions.CreateCompiledModel(runtime.environment(), model, options, &compiled) !=
        lite::kOk) {
      compiled = nullptr;
    }
    delegate_of_build = nullptr;
  }
  functions.DestroyOptions(options);
  return compiled;
}

bool Looks(const lite::Context& context, const ServedGraph::Port& port) {
  const auto& tensor =
      *reinterpret_cast<const lite::Tensor*>(context.tensors + port.tensor * lite::kTensorStride);
  return tensor.type == port.type && tensor.name != nullptr && tensor.name == port.name &&
         tensor.dims != nullptr;
}

// Whether this is the context of that graph. Since it reads the runtime's structs, it also shows
// whether they look as lite_rt.h says.
bool IsOf(const lite::Context& context, const ServedGraph& graph) {
  if (context.tensors_size < graph.num_tensors + graph.outputs.size()) return false;
  for (const ServedGraph::Port& input : graph.inputs) {
    if (!Looks(context, input)) return false;
    const auto& tensor = *reinterpret_cast<const lite::Tensor*>(context.tensors +
                                                                input.tensor * lite::kTensorStride);
    if (!std::equal(input.shape.begin(), input.shape.end(), tensor.dims->data,
                    tensor.dims->data + tensor.dims->size)) {
      return false;
    }
  }
  return std::all_of(graph.outputs.begin(), graph.outputs.end(),
                     [&](const ServedGraph::Port& output) { return Looks(context, output); });
}

}  // namespace

sdk::Status Patience::Check() const {
  if (cancelled != nullptr && *cancelled != 0) {
    return {sdk::Code::kCancelled, "the request was cancelled"};
  }
  if (deadline_unix_nanos == INT64_MAX) return {};
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  if (std::chrono::duration_cast<std::chrono::nanoseconds>(now).count() < deadline_unix_nanos) {
    return {};
  }
  // The text of a run that TensorFlow stops.
  return {sdk::Code::kDeadlineExceeded, "Timed out waiting for notification"};
}

sdk::Result<const Runtime*> Runtime::Get() {
  static sdk::Result<const Runtime*>& runtime = *new sdk::Result<const Runtime*>([] {
    sdk::Result<const lite::Functions*> loaded = lite::Load();
    if (!loaded.ok()) return sdk::Result<const Runtime*>(loaded.status());
    static const lite::Functions& functions = **loaded;
    auto* made = new Runtime(functions);
    const lite::EnvironmentOption options[] = {{kOptionAccelerators, kIntegerOption, kCpu},
                                               {kOptionMinLogSeverity, kIntegerOption, kSilent}};
    lite::Accelerator* accelerator = nullptr;
    const bool is_ready =
        functions.CreateEnvironment(2, options, &made->environment_) == lite::kOk &&
        functions.CreateAccelerator(&accelerator) == lite::kOk &&
        functions.SetAcceleratorGetName(accelerator,
                                        [](const lite::Accelerator*, const char** name) {
                                          *name = "BatonWitness";
                                          return lite::kOk;
                                        }) == lite::kOk &&
        functions.SetAcceleratorGetVersion(accelerator,
                                           [](const lite::Accelerator*, lite::Version* version) {
                                             *version = {0, 1, 0};
                                             return lite::kOk;
                                           }) == lite::kOk &&
        functions.SetAcceleratorGetHardwareSupport(accelerator,
                                                   [](const lite::Accelerator*, int* hardware) {
                                                     *hardware = kCpu;
                                                     return lite::kOk;
                                                   }) == lite::kOk &&
        functions.SetIsAcceleratorDelegateResponsibleForJitCompilation(
            accelerator,
            [](const lite::Accelerator*, bool* is_responsible) {
              *is_responsible = false;
              return lite::kOk;
            }) == lite::kOk &&
        functions.SetDelegateFunction(accelerator,
                                      [](void*, lite::Environment*, const lite::Accelerator*,
                                         lite::Options*, lite::DelegateWrapper** wrapper) {
                                        return GiveDelegate(functions, wrapper);
                                      }) == lite::kOk &&
        functions.RegisterAccelerator(made->environment_, accelerator, nullptr, [](void*) {}) ==
            lite::kOk;
    if (!is_ready) {
      return sdk::Result<const Runtime*>(
          sdk::Status(sdk::Code::kFailedPrecondition, "the TFLite runtime does not start"));
    }
    return sdk::Result<const Runtime*>(made);
  }());
  return runtime;
}

bool Runtime::Has(const ModelFile::OperatorCode& code) const {
  const std::vector<char> bytes = ModelWithOperator(code);
  ModelBytes aligned(bytes.size());
  std::memcpy(aligned.data(), bytes.data(), bytes.size());
  lite::Model* model = nullptr;
  if (functions_.CreateModelFromBuffer(environment_, aligned.data(), aligned.size(), &model) !=
      lite::kOk) {
    return false;
  }
  lite::CompiledModel* compiled = Compile(*this, model, nullptr);
  if (compiled != nullptr) functions_.DestroyCompiledModel(compiled);
  functions_.DestroyModel(model);
  return compiled != nullptr;
}

sdk::Result<std::unique_ptr<Program>> Program::Create(const Runtime& runtime, ModelBytes bytes,
                                                      std::vector<ServedGraph> graphs) {
  std::unique_ptr<Program> program(new Program(runtime, std::move(bytes), std::move(graphs)));
  if (runtime.functions().CreateModelFromBuffer(runtime.environment(), program->bytes_.data(),
                                                program->bytes_.size(),
                                                &program->model_) != lite::kOk) {
    program->model_ = nullptr;
    return sdk::Status(sdk::Code::kInvalidArgument, "Cannot build FlatBufferModel from buffer.");
  }
  return program;
}

Program::~Program() {
  if (model_ != nullptr) runtime_.functions().DestroyModel(model_);
}

sdk::Result<std::unique_ptr<Interpreter>> Interpreter::Create(const Program& program) {
  std::unique_ptr<Interpreter> interpreter(new Interpreter(program));
  if (sdk::Status status = interpreter->Build(); !status.ok()) return status;
  return interpreter;
}

Interpreter::~Interpreter() {
  if (compiled_ != nullptr) functions_.DestroyCompiledModel(compiled_);
  for (lite::TensorBuffer* buffer : rank_buffers_) functions_.DestroyTensorBuffer(buffer);
}

// Called for every subgraph, in order, and again when the runtime redoes its delegation.
int Interpreter::Witness(lite::Context* context, lite::Delegate* delegate) {
  auto* self = static_cast<Interpreter*>(delegate->data);
  std::vector<lite::Context*>& seen = self->seen_;
  if (std::find(seen.begin(), seen.end(), context) == seen.end()) seen.push_back(context);
  return lite::kOk;
}

sdk::Status Interpreter::Build() {
  compiled_ = Compile(program_.runtime(), program_.model(), &delegate_);
  if (compiled_ == nullptr) return CannotBuild("");
  if (sdk::Status status = FindContexts(); !status.ok()) return status;
  if (sdk::Status status = MakeRankBuffers(); !status.ok()) return status;
  functions_.SetCompiledModelCancellationFunction(compiled_, this, [](void* self) {
    const Patience* patience = static_cast<Interpreter*>(self)->patience_;
    return patience != nullptr && !patience->Check().ok();
  });
  return {};
}

sdk::Status Interpreter::FindContexts() {
  std::vector<lite::Context*> left = seen_;
  for (const ServedGraph& graph : program_.graphs()) {
    const auto found = std::find_if(left.begin(), left.end(), [&](const lite::Context* context) {
      return IsOf(*context, graph);
    });
    if (found == left.end()) {
      return CannotBuild(" The tensors of libLiteRt.so are not those of its version 2.3.");
    }
    contexts_.push_back(*found);
    left.erase(found);
  }
  return {};
}

sdk::Status Interpreter::MakeRankBuffers() {
  size_t most_outputs = 0, most_inputs = 0;
  for (const ServedGraph& graph : program_.graphs()) {
    most_outputs = std::max(most_outputs, graph.outputs.size());
    most_inputs = std::max(most_inputs, graph.inputs.size());
  }
  no_buffers_.resize(most_inputs);
  rank_memory_.resize(most_outputs);
  lite::RankedType scalar{};
  scalar.element_type = lite::kInt32;
  for (RankMemory& memory : rank_memory_) {
    lite::TensorBuffer* buffer = nullptr;
    if (functions_.CreateTensorBufferFromHostMemory(&scalar, memory.bytes, sizeof(int32_t), nullptr,
                                                    &buffer) != lite::kOk) {
      return CannotBuild("");
    }
    rank_buffers_.push_back(buffer);
  }
  return {};
}

sdk::Status Interpreter::Resize(uint32_t graph, size_t input, const std::vector<int32_t>& dims,
                                uint64_t bytes) {
  const ServedGraph::Port& port = program_.graphs()[graph].inputs[input];
  const size_t bytes_before = tensor(graph, port.tensor).bytes;
  is_allocated_[graph] = 0;
  if (functions_.CompiledModelResizeInputTensorNonStrict(compiled_, graph, input, dims.data(),
                                                         dims.size()) == lite::kOk) {
    return {};
  }
  functions_.CompiledModelClearErrors(compiled_);
  return {sdk::Code::kInternal, "Failed to resize input tensor: " + port.name + " from " +
                                    std::to_string(bytes_before) + " to " + std::to_string(bytes) +
                                    " bytes."};
}

sdk::Status Interpreter::Allocate(uint32_t graph) {
  if (is_allocated_[graph] != 0) return {};
  // Asking for the outputs' layouts is what allocates.
  std::vector<lite::Layout> layouts(program_.graphs()[graph].outputs.size());
  if (functions_.GetCompiledModelOutputTensorLayouts(compiled_, graph, layouts.size(),
                                                     layouts.data(), true) != lite::kOk) {
    functions_.CompiledModelClearErrors(compiled_);
    return {sdk::Code::kInternal, "Failed to allocate tensors"};
  }
  is_allocated_[graph] = 1;
  return {};
}

sdk::Status Interpreter::Invoke(uint32_t graph, const Patience& patience) {
  patience_ = &patience;
  const ServedGraph& served = program_.graphs()[graph];
  const int result =
      functions_.RunCompiledModel(compiled_, graph, served.inputs.size(), no_buffers_.data(),
                                  served.outputs.size(), rank_buffers_.data());
  patience_ = nullptr;
  if (result == lite::kOk) return {};
  functions_.CompiledModelClearErrors(compiled_);
  is_allocated_[graph] = 0;  // the run may have stopped in the middle of anything
  if (sdk::Status status = patience.Check(); !status.ok()) return status;
  return {sdk::Code::kInternal, "Failed to invoke TfLite interpreter"};
}

}  // namespace baton::tflite_engine
