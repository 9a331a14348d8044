#include "served_signature.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "signature_metadata.h"

namespace baton::tflite_engine {
namespace {

constexpr char kDefaultName[] = "serving_default";
constexpr char kPredict[] = "tensorflow/serving/predict";
constexpr auto kAlreadyExists = static_cast<sdk::Code>(6);

// TfLiteType of a type of the file's schema.
int32_t RuntimeType(int32_t schema_type) {
  constexpr int32_t kTypes[] = {1,  10, 2,  3,  4,  5,  6,  7,  8,  9,  11, 12,
                                13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23};
  return kTypes[schema_type];
}

struct TypeRow {
  int32_t type;
  int32_t dtype;
  uint64_t bytes;
};
constexpr TypeRow kServedTypes[] = {
    {lite::kFloat32, 1, 4}, {lite::kInt32, 3, 4},     {lite::kUInt8, 4, 1},
    {lite::kInt64, 9, 8},   {lite::kString, 7, 0},    {lite::kBool, 10, 1},
    {lite::kInt16, 5, 2},   {lite::kComplex64, 8, 8}, {lite::kInt8, 6, 1}};

sdk::Result<std::vector<ServedGraph::Port>> GraphPorts(const ModelFile::Subgraph& subgraph,
                                                       const std::vector<int32_t>& tensors,
                                                       const std::string& what) {
  std::vector<ServedGraph::Port> ports;
  for (int32_t index : tensors) {
    const ModelFile::Tensor& tensor = subgraph.tensors[static_cast<size_t>(index)];
    if (!tensor.name) {
      return sdk::Status(sdk::Code::kInternal,
                         what + " name missing for tensor index: " + std::to_string(index));
    }
    const int32_t type = RuntimeType(tensor.type);
    if (ServedDtype(type) == 0) {
      return sdk::Status(sdk::Code::kInternal, "Unknown TfLite type: " + std::to_string(type));
    }
    for (const ServedGraph::Port& other : ports) {
      if (other.name != *tensor.name) continue;
      return sdk::Status(kAlreadyExists,
                         what + " tensor name: " + other.name + " has multiple indices");
    }
    ports.push_back({static_cast<uint32_t>(index), type, std::string(*tensor.name), tensor.shape});
  }
  return ports;
}

sdk::Port DescribedPort(const std::string& name, const ServedGraph::Port& port) {
  return {name, port.name, ServedDtype(port.type),
          std::vector<int64_t>(port.shape.begin(), port.shape.end()), false};
}

// "x" of "x:0".
std::string LegacyName(const std::string& name) { return name.substr(0, name.find(':')); }

class ServingMaker {
 public:
  explicit ServingMaker(const ModelFile& file) : file_(file) {}

  sdk::Result<Serving> Make() {
    sdk::Result<uint32_t> main = Graph(0);
    if (!main.ok()) return main.status();
    std::map<std::string, DeclaredSignature> declared;
    if (file_.signature_metadata) {
      auto read = ReadSignatureMetadata(*file_.signature_metadata);
      if (!read.ok()) return read.status();
      declared = std::move(*read);
    }
    sdk::Status status = declared.empty() ? Generate() : Declare(declared);
    if (!status.ok()) return status;
    for (auto& [name, signature] : signatures_) {
      serving_.signatures.push_back(std::move(signature.served));
      serving_.described.push_back(std::move(signature.described));
    }
    return std::move(serving_);
  }

 private:
  struct Signature {
    ServedSignature served;
    sdk::Signature described;
  };
  // Ports of one direction, by name.
  using Named = std::map<std::string, std::pair<uint32_t, sdk::Port>>;

  // The index of a subgraph's graph, made when it is not there yet.
  sdk::Result<uint32_t> Graph(uint32_t subgraph) {
    const auto known = std::find(serving_.subgraphs.begin(), serving_.subgraphs.end(), subgraph);
    if (known != serving_.subgraphs.end()) {
      return static_cast<uint32_t>(known - serving_.subgraphs.begin());
    }
    const ModelFile::Subgraph& from = file_.subgraphs[subgraph];
    auto inputs = GraphPorts(from, from.inputs, "Input");
    if (!inputs.ok()) return inputs.status();
    auto outputs = GraphPorts(from, from.outputs, "Output");
    if (!outputs.ok()) return outputs.status();
    serving_.subgraphs.push_back(subgraph);
    serving_.graphs.push_back({from.tensors.size(), std::move(*inputs), std::move(*outputs)});
    return static_cast<uint32_t>(serving_.graphs.size() - 1);
  }

  void Add(const std::string& name, const std::string& method, uint32_t graph, Named inputs,
           Named outputs) {
    Signature& signature = signatures_[name];
    signature.served.graph = graph;
    signature.described = {name, method, {}, {}};
    for (auto& [key, port] : inputs) {
      signature.served.inputs.push_back(port.first);
      signature.described.inputs.push_back(std::move(port.second));
    }
    for (auto& [key, port] : outputs) {
      signature.served.outputs.push_back(port.first);
      signature.described.outputs.push_back(std::move(port.second));
    }
  }

  sdk::Status Declare(const std::map<std::string, DeclaredSignature>& declared) {
    for (const auto& [name, signature] : declared) {
      Named inputs, outputs;
      for (bool is_input : {true, false}) {
        for (const auto& [key, port] : is_input ? signature.inputs : signature.outputs) {
          const auto& among = is_input ? serving_.graphs[0].inputs : serving_.graphs[0].outputs;
          std::optional<uint32_t> position = Find(among, port.tensor_name);
          if (!position) position = Find(among, LegacyName(port.tensor_name));
          if (!position) {
            return {sdk::Code::kInternal,
                    "Unknown tensor '" + port.tensor_name + "'.\n\tSignature " +
                        (is_input ? "input " : "output ") + key + " references an unknown tensor"};
          }
          (is_input ? inputs : outputs)[key] = {
              *position, {key, among[*position].name, port.dtype, port.dims, false}};
        }
      }
      Add(name, signature.method_name, 0, std::move(inputs), std::move(outputs));
    }
    return {};
  }

  sdk::Status Generate() {
    sdk::Log(BATON_LOG_WARNING, "No signature def found in TFLite model. Generating one.");
    Add(kDefaultName, kPredict, 0, Generated(serving_.graphs[0].inputs),
        Generated(serving_.graphs[0].outputs));
    for (const ModelFile::Signature& signature : file_.signatures) {
      if (signature.key.empty() || signature.key == kDefaultName) continue;
      sdk::Result<uint32_t> graph =
          IsCalled(signature.subgraph)
              ? sdk::Status(sdk::Code::kUnimplemented, "the model itself calls its subgraph")
              : Graph(signature.subgraph);
      if (!graph.ok()) {
        sdk::Log(BATON_LOG_WARNING,
                 "Signature " + std::string(signature.key) +
                     " of a TFLite model is not served: " + graph.status().message());
        continue;
      }
      Add(std::string(signature.key), kPredict, *graph,
          FromTable(signature.inputs, serving_.graphs[*graph].inputs),
          FromTable(signature.outputs, serving_.graphs[*graph].outputs));
    }
    return {};
  }

  // The graph that is served has other outputs than its callers expect.
  bool IsCalled(uint32_t subgraph) const {
    return std::any_of(file_.subgraphs.begin(), file_.subgraphs.end(), [&](const auto& caller) {
      return std::find(caller.calls.begin(), caller.calls.end(), subgraph) != caller.calls.end();
    });
  }

  // Names that are the same without their ":n" stay whole.
  static Named Generated(const std::vector<ServedGraph::Port>& ports) {
    Named named;
    for (uint32_t i = 0; i < ports.size(); ++i) {
      std::string key = LegacyName(ports[i].name);
      if (named.count(key) != 0) key = ports[i].name;
      named[key] = {i, DescribedPort(key, ports[i])};
    }
    return named;
  }

  static Named FromTable(const std::vector<std::pair<std::string_view, uint32_t>>& entries,
                         const std::vector<ServedGraph::Port>& ports) {
    Named named;
    for (const auto& [name, tensor] : entries) {
      for (uint32_t i = 0; i < ports.size(); ++i) {
        if (ports[i].tensor != tensor) continue;
        const std::string key(name);
        named[key] = {i, DescribedPort(key, ports[i])};
      }
    }
    return named;
  }

  static std::optional<uint32_t> Find(const std::vector<ServedGraph::Port>& ports,
                                      const std::string& name) {
    for (uint32_t i = 0; i < ports.size(); ++i) {
      if (ports[i].name == name) return i;
    }
    return std::nullopt;
  }

  const ModelFile& file_;
  Serving serving_;
  std::map<std::string, Signature> signatures_;
};

}  // namespace

sdk::Result<Serving> MakeServing(const ModelFile& file) { return ServingMaker(file).Make(); }

int32_t ServedDtype(int32_t type) {
  for (const TypeRow& row : kServedTypes) {
    if (row.type == type) return row.dtype;
  }
  return 0;
}

uint64_t ElementBytes(int32_t type) {
  for (const TypeRow& row : kServedTypes) {
    if (row.type == type) return row.bytes;
  }
  return 0;
}

}  // namespace baton::tflite_engine
