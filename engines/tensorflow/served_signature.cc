#include "served_signature.h"

#include <map>
#include <set>
#include <utility>

#include "tensorflow/core/lib/strings/proto_serialization.h"

namespace baton::tf_engine {
namespace {

namespace tf = tensorflow;

using PortMap = google::protobuf::Map<std::string, tf::TensorInfo>;

// A map of protobuf iterates in another order in every process.
template <typename Map>
auto Sorted(const Map& map) {
  std::map<std::string, const typename Map::mapped_type*> sorted;
  for (const auto& [key, value] : map) sorted.emplace(std::string(key), &value);
  return sorted;
}

// Numbers tensors in the order in which they are asked for.
class TensorNumbers {
 public:
  uint32_t Of(const std::string& name) {
    const bool has_output = name.find(':') != std::string::npos;
    const auto next = static_cast<uint32_t>(numbers_.size());
    return numbers_.emplace(has_output ? name : name + ":0", next).first->second;
  }

 private:
  std::map<std::string, uint32_t> numbers_;
};

std::vector<ServedPort> ServedPorts(const PortMap& ports, const GraphNodes& graph,
                                    TensorNumbers* numbers) {
  std::vector<ServedPort> served;
  for (const auto& [name, info] : Sorted(ports)) {
    // name() is empty when another member of the oneof is set.
    const std::string tensor_name(info->name());
    const tf::DataType dtype = graph.TypeOf(tensor_name);
    served.push_back({name, tensor_name, numbers->Of(tensor_name),
                      dtype == tf::DT_INVALID ? info->dtype() : dtype});
  }
  return served;
}

bool HasSharedTensors(const std::vector<ServedPort>& ports) {
  std::set<uint32_t> tensors;
  for (const ServedPort& port : ports) tensors.insert(port.tensor);
  return tensors.size() < ports.size();
}

std::vector<sdk::Port> DescribedPorts(const PortMap& ports) {
  std::vector<sdk::Port> described;
  for (const auto& [name, info] : Sorted(ports)) {
    sdk::Port port;
    port.name = name;
    port.tensor_name = std::string(info->name());
    port.dtype = info->dtype();
    if (!info->tensor_shape().unknown_rank() && info->tensor_shape().dim_size() <= 254) {
      port.dims.emplace();
      for (const auto& dim : info->tensor_shape().dim()) port.dims->push_back(dim.size());
    }
    described.push_back(std::move(port));
  }
  return described;
}

void AppendVarint(uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

void AppendBytesField(int field, const std::string& bytes, std::string* out) {
  AppendVarint(static_cast<uint64_t>(field) << 3 | 2, out);
  AppendVarint(bytes.size(), out);
  out->append(bytes);
}

}  // namespace

sdk::Result<std::vector<ServedSignature>> ServedSignatures(const SignatureMap& signatures,
                                                           const GraphNodes& graph) {
  std::vector<ServedSignature> served;
  TensorNumbers numbers;
  for (const auto& [name, def] : Sorted(signatures)) {
    ServedSignature signature;
    signature.name = name;
    signature.inputs = ServedPorts(def->inputs(), graph, &numbers);
    signature.outputs = ServedPorts(def->outputs(), graph, &numbers);
    signature.has_shared_outputs = HasSharedTensors(signature.outputs);
    for (ServedPort& port : signature.inputs) {
      const auto value = def->defaults().find(port.name);
      if (value == def->defaults().end()) continue;
      if (!port.default_value.emplace().FromProto(value->second)) {
        return sdk::Status(sdk::Code::kInvalidArgument, "signature \"" + name +
                                                            "\": the default of input \"" +
                                                            port.name + "\" cannot be read");
      }
    }
    std::vector<std::string> tensors;
    for (const ServedPort& port : signature.outputs) tensors.push_back(port.tensor_name);
    signature.input_memory = graph.MayKeepInputs(tensors) ? Inputs::kCopied : Inputs::kShared;
    served.push_back(std::move(signature));
  }
  return served;
}

std::vector<sdk::Signature> DescribedSignatures(const SignatureMap& signatures) {
  std::vector<sdk::Signature> described;
  for (const auto& [name, def] : Sorted(signatures)) {
    sdk::Signature signature;
    signature.name = name;
    signature.method_name = std::string(def->method_name());
    signature.inputs = DescribedPorts(def->inputs());
    signature.outputs = DescribedPorts(def->outputs());
    for (sdk::Port& port : signature.inputs) port.has_default = def->defaults().contains(port.name);
    described.push_back(std::move(signature));
  }
  return described;
}

std::string SerializeSignatureDefMap(const SignatureMap& signatures) {
  std::string out;
  for (const auto& [name, def] : Sorted(signatures)) {
    std::string value;
    if (!tf::SerializeToStringDeterministic(*def, &value)) continue;
    std::string entry;
    AppendBytesField(1, name, &entry);
    AppendBytesField(2, value, &entry);
    AppendBytesField(1, entry, &out);
  }
  return out;
}

}  // namespace baton::tf_engine
