#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "baton/engine_sdk.h"
#include "graph_nodes.h"
#include "tensor_bridge.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/protobuf/meta_graph.pb.h"

namespace baton::tf_engine {

// One input or output as the graph knows it.
struct ServedPort {
  std::string name;
  // Empty for a sparse or composite tensor, which is not one tensor to feed or fetch.
  std::string tensor_name;
  uint32_t tensor = 0;  // number of that tensor in the model: equal for ports that share one
  // Of an input: what the graph takes, whatever the signature declares.
  tensorflow::DataType dtype = tensorflow::DT_INVALID;
  std::optional<tensorflow::Tensor> default_value = std::nullopt;
};

// A signature of a loaded model, its ports in the order of sdk::Description: sorted by name.
struct ServedSignature {
  std::string name;
  std::vector<ServedPort> inputs;
  std::vector<ServedPort> outputs;
  bool has_shared_outputs = false;  // two of its outputs are one tensor
  Inputs input_memory = Inputs::kCopied;
};

using SignatureMap = google::protobuf::Map<std::string, tensorflow::SignatureDef>;

// Sorted by name. INVALID_ARGUMENT when a default value cannot be read.
sdk::Result<std::vector<ServedSignature>> ServedSignatures(const SignatureMap& signatures,
                                                           const GraphNodes& graph);

// The same signatures for the host.
std::vector<sdk::Signature> DescribedSignatures(const SignatureMap& signatures);

// A serialized tensorflow.serving.SignatureDefMap, keys sorted: a message TensorFlow itself does
// not have.
std::string SerializeSignatureDefMap(const SignatureMap& signatures);

}  // namespace baton::tf_engine
