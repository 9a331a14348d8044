#include "tflite_model.h"

#include <malloc.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <string_view>
#include <utility>

#include "graph_head.h"
#include "model_file.h"
#include "operator_names.h"
#include "tflite_instance.h"

namespace baton::tflite_engine {
namespace {

constexpr int32_t kCustomOperator = 32;
// What the runtime registers besides the built-in operators.
constexpr std::string_view kCustomOperators[] = {"NumericVerify", "Mfcc", "AudioSpectrogram",
                                                 "TFLite_Detection_PostProcess",
                                                 "aeq.hadamard_rotation"};

uint64_t HeapBytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

sdk::Result<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const std::streamoff size = file ? static_cast<std::streamoff>(file.tellg()) : -1;
  if (size < 0) return sdk::Status(sdk::Code::kNotFound, path + "; " + std::strerror(errno));
  std::string bytes(static_cast<size_t>(size), '\0');
  file.seekg(0);
  if (!file.read(bytes.data(), size)) {
    return sdk::Status(sdk::Code::kUnavailable, path + " cannot be read");
  }
  return bytes;
}

sdk::Status NoOperator(const std::string& name, const std::string& why) {
  return {
      sdk::Code::kInternal,
      "Cannot build Interpreter from buffer. The model needs the operator " + name + ", " + why};
}

sdk::Status CheckCustomOperators(const ModelFile& file) {
  for (const ModelFile::Subgraph& subgraph : file.subgraphs) {
    for (uint32_t code : subgraph.operators) {
      const ModelFile::OperatorCode& used = file.operator_codes[code];
      if (used.builtin != kCustomOperator) continue;
      if (std::find(std::begin(kCustomOperators), std::end(kCustomOperators), used.custom) !=
          std::end(kCustomOperators)) {
        continue;
      }
      return NoOperator(std::string(used.custom), used.custom.substr(0, 4) == "Flex"
                                                      ? "which is one of TensorFlow"
                                                      : "which the TFLite runtime does not have");
    }
  }
  return {};
}

// Why no interpreter could be made.
sdk::Status Explain(const Runtime& runtime, const ModelFile& file, sdk::Status status) {
  for (const ModelFile::OperatorCode& code : file.operator_codes) {
    if (code.builtin == kCustomOperator || runtime.Has(code)) continue;
    return NoOperator(
        OperatorName(code.builtin),
        "which the TFLite runtime does not have in version " + std::to_string(code.version));
  }
  return status;
}

}  // namespace

sdk::Result<std::unique_ptr<sdk::Model>> TfliteModel::Load(const Runtime& runtime,
                                                           const std::string& path,
                                                           uint32_t max_instances) {
  sdk::Result<std::string> bytes = ReadFile(path + kFileName);
  if (!bytes.ok()) return bytes.status();
  sdk::Result<ModelFile> file = ReadModelFile(*bytes);
  if (!file.ok()) {
    sdk::Log(BATON_LOG_ERROR, path + kFileName + ": " + file.status().message());
    return sdk::Status(sdk::Code::kInvalidArgument, "Cannot build FlatBufferModel from buffer.");
  }
  if (sdk::Status status = CheckCustomOperators(*file); !status.ok()) return status;
  sdk::Result<Serving> serving = MakeServing(*file);
  if (!serving.ok()) return serving.status();

  const uint64_t heap_before = HeapBytes();
  auto program = Program::Create(runtime, WithServingHead(*bytes, *file, serving->subgraphs),
                                 std::move(serving->graphs));
  if (!program.ok()) return program.status();
  auto interpreter = Interpreter::Create(**program);
  if (!interpreter.ok()) return Explain(runtime, *file, interpreter.status());
  for (uint32_t graph = 0; graph < (*program)->graphs().size(); ++graph) {
    if (sdk::Status status = (*interpreter)->Allocate(graph); !status.ok()) return status;
  }
  // Other threads allocate meanwhile.
  const uint64_t heap_after = HeapBytes();
  const uint64_t memory =
      std::clamp<uint64_t>(heap_after > heap_before ? heap_after - heap_before : 0, bytes->size(),
                           EstimatedBytes(bytes->size()));

  std::unique_ptr<TfliteModel> model(new TfliteModel);
  model->program_ = std::move(*program);
  model->signatures_ = std::move(serving->signatures);
  model->first_ = std::move(*interpreter);
  model->description_ = std::make_unique<sdk::Description>(std::move(serving->described), memory,
                                                           std::string(), max_instances);
  return std::unique_ptr<sdk::Model>(std::move(model));
}

sdk::Result<std::unique_ptr<sdk::Instance>> TfliteModel::NewInstance() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (first_ != nullptr) {
      return std::unique_ptr<sdk::Instance>(new TfliteInstance(*this, std::move(first_)));
    }
  }
  auto interpreter = Interpreter::Create(*program_);
  if (!interpreter.ok()) return interpreter.status();
  return std::unique_ptr<sdk::Instance>(new TfliteInstance(*this, std::move(*interpreter)));
}

}  // namespace baton::tflite_engine
