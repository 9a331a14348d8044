#include "tflite_instance.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include "packed_strings.h"

namespace baton::tflite_engine {
namespace {

constexpr int32_t kStringDtype = 7;
constexpr size_t kKeptStringBytes = 64 << 10;

std::string DtypeName(int32_t dtype) {
  constexpr const char* kNames[] = {"invalid", "float",  "double",    "int32", "uint8", "int16",
                                    "int8",    "string", "complex64", "int64", "bool"};
  if (dtype >= 0 && dtype < static_cast<int32_t>(std::size(kNames))) return kNames[dtype];
  return "type " + std::to_string(dtype);
}

bool HasDims(const lite::Tensor& tensor, const baton_tensor& given) {
  return static_cast<uint32_t>(tensor.dims->size) == given.rank &&
         std::equal(given.dims, given.dims + given.rank, tensor.dims->data);
}

uint64_t Elements(const lite::Tensor& tensor) {
  uint64_t elements = 1;
  for (int32_t d = 0; d < tensor.dims->size; ++d) {
    elements *= static_cast<uint64_t>(std::max(tensor.dims->data[d], 0));
  }
  return elements;
}

sdk::Status NoMemory(uint64_t bytes) {
  return {sdk::Code::kResourceExhausted,
          "no memory for an output of " + std::to_string(bytes) + " bytes"};
}

sdk::Status CannotConvert(const lite::Tensor& tensor) {
  return {sdk::Code::kInternal,
          std::string("Failed to convert TFLite tensor: ") + tensor.name + " to TF tensor."};
}

sdk::Status ReturnStrings(const lite::Tensor& tensor, const std::vector<int64_t>& dims,
                          baton_tensor* output) {
  const std::string_view packed(tensor.data, tensor.data == nullptr ? 0 : tensor.bytes);
  uint64_t text_bytes = 0;
  const int64_t count = CountStrings(packed, &text_bytes);
  if (count < 0 || static_cast<uint64_t>(count) != Elements(tensor)) return CannotConvert(tensor);
  const uint64_t array_bytes = static_cast<uint64_t>(count) * sizeof(baton_str);
  void* block = sdk::AllocateOutput(*output, kStringDtype, dims, array_bytes + text_bytes);
  if (block == nullptr) return NoMemory(array_bytes + text_bytes);
  output->bytes = array_bytes;
  auto* strings = static_cast<baton_str*>(block);
  char* texts = static_cast<char*>(block) + array_bytes;
  for (int64_t i = 0; i < count; ++i) {
    const std::string_view text = StringAt(packed, i);
    if (!text.empty()) std::memcpy(texts, text.data(), text.size());
    strings[i] = {texts, text.size()};
    texts += text.size();
  }
  return {};
}

sdk::Status ReturnTensor(const lite::Tensor& tensor, baton_tensor* output) {
  const std::vector<int64_t> dims(tensor.dims->data, tensor.dims->data + tensor.dims->size);
  if (tensor.type == lite::kString) return ReturnStrings(tensor, dims, output);
  const uint64_t bytes = Elements(tensor) * ElementBytes(tensor.type);
  if (bytes != tensor.bytes || (bytes > 0 && tensor.data == nullptr)) return CannotConvert(tensor);
  void* data = sdk::AllocateOutput(*output, ServedDtype(tensor.type), dims, bytes);
  if (data == nullptr) return NoMemory(bytes);
  if (bytes > 0) std::memcpy(data, tensor.data, bytes);
  return {};
}

}  // namespace

sdk::Status TfliteInstance::Execute(const baton_run& run) {
  const Patience patience{run.cancelled, run.deadline_unix_nanos};
  if (sdk::Status status = patience.Check(); !status.ok()) return status;
  if (run.signature >= model_.signatures().size()) {
    return {sdk::Code::kInternal, "called with an unknown signature"};
  }
  const uint32_t graph = model_.signatures()[run.signature].graph;
  sdk::Status status = FindInputs(run, graph);
  if (status.ok()) status = Resize(graph);
  if (status.ok()) status = interpreter_->Allocate(graph);
  if (status.ok()) status = Fill(graph);
  if (status.ok()) status = interpreter_->Invoke(graph, patience);
  if (status.ok()) status = Return(run, graph);
  ForgetStrings(graph);
  return status;
}

sdk::Status TfliteInstance::FindInputs(const baton_run& run, uint32_t graph) {
  const ServedGraph& served = model_.graphs()[graph];
  given_.assign(served.inputs.size(), nullptr);
  for (uint32_t i = 0; i < run.num_inputs; ++i) {
    const ServedSignature& signature = model_.signatures().at(sdk::InputSignature(run, i));
    if (signature.graph != graph) {
      return {sdk::Code::kUnimplemented,
              "signatures of different subgraphs cannot run at once in a TFLite model"};
    }
    const uint32_t input = signature.inputs.at(run.input_ports[i]);
    const int32_t wanted = ServedDtype(served.inputs[input].type);
    if (run.inputs[i]->dtype != wanted) {
      return {sdk::Code::kInvalidArgument, "Expects arg[" + std::to_string(i) + "] to be " +
                                               DtypeName(wanted) + " but " +
                                               DtypeName(run.inputs[i]->dtype) + " is provided"};
    }
    given_[input] = run.inputs[i];
  }
  return {};
}

sdk::Status TfliteInstance::Resize(uint32_t graph) {
  const ServedGraph& served = model_.graphs()[graph];
  for (size_t i = 0; i < given_.size(); ++i) {
    if (given_[i] == nullptr) continue;
    const baton_tensor& given = *given_[i];
    if (HasDims(interpreter_->tensor(graph, served.inputs[i].tensor), given)) continue;
    dims_.clear();
    for (uint32_t d = 0; d < given.rank; ++d) {
      // What does not fit is refused as zero is.
      dims_.push_back(given.dims[d] > INT32_MAX ? 0 : static_cast<int32_t>(given.dims[d]));
    }
    sdk::Status status = interpreter_->Resize(graph, i, dims_, given.bytes);
    if (!status.ok()) return status;
  }
  return {};
}

sdk::Status TfliteInstance::Fill(uint32_t graph) {
  const ServedGraph& served = model_.graphs()[graph];
  strings_.resize(std::max(strings_.size(), given_.size()));
  for (size_t i = 0; i < given_.size(); ++i) {
    lite::Tensor& tensor = interpreter_->tensor(graph, served.inputs[i].tensor);
    const baton_tensor* given = given_[i];
    if (tensor.type == lite::kString) {
      if (sdk::Status status = FillStrings(given, i, &tensor); !status.ok()) return status;
      continue;
    }
    if (tensor.bytes == 0) continue;
    if (tensor.data == nullptr || (given != nullptr && given->bytes != tensor.bytes)) {
      return {sdk::Code::kInternal, "Failed to allocate tensors"};
    }
    if (given == nullptr) {
      std::memset(tensor.data, 0, tensor.bytes);
    } else {
      std::memcpy(tensor.data, given->data, tensor.bytes);
    }
  }
  return {};
}

sdk::Status TfliteInstance::FillStrings(const baton_tensor* given, size_t input,
                                        lite::Tensor* tensor) {
  std::vector<char>& packed = strings_[input];
  const uint64_t count = Elements(*tensor);
  bool fits = false;
  if (given != nullptr) {
    fits = PackStrings(static_cast<const baton_str*>(given->data), count, &packed);
  } else {
    fits = PackStrings(std::vector<baton_str>(count).data(), count, &packed);
  }
  if (!fits) {
    return {sdk::Code::kInvalidArgument, "the strings of an input are 2 GiB or more in all"};
  }
  // Ours: the runtime neither frees nor moves it.
  tensor->allocation_type = lite::kCustom;
  tensor->data = packed.data();
  tensor->bytes = packed.size();
  return {};
}

sdk::Status TfliteInstance::Return(const baton_run& run, uint32_t graph) {
  const ServedGraph& served = model_.graphs()[graph];
  for (uint32_t i = 0; i < run.num_outputs; ++i) {
    const ServedSignature& signature = model_.signatures().at(sdk::OutputSignature(run, i));
    if (signature.graph != graph) {
      return {sdk::Code::kUnimplemented,
              "signatures of different subgraphs cannot run at once in a TFLite model"};
    }
    const uint32_t output = signature.outputs.at(run.output_ports[i]);
    const lite::Tensor& tensor = interpreter_->tensor(graph, served.outputs[output].tensor);
    if (sdk::Status status = ReturnTensor(tensor, &run.outputs[i]); !status.ok()) return status;
  }
  return {};
}

// Large texts of a request are not kept until the next one.
void TfliteInstance::ForgetStrings(uint32_t graph) {
  for (size_t i = 0; i < strings_.size() && i < given_.size(); ++i) {
    if (strings_[i].capacity() <= kKeptStringBytes) continue;
    lite::Tensor& tensor = interpreter_->tensor(graph, model_.graphs()[graph].inputs[i].tensor);
    tensor.data = nullptr;
    tensor.bytes = 0;
    std::vector<char>().swap(strings_[i]);
  }
}

}  // namespace baton::tflite_engine
