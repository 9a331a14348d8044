#include "graph_nodes.h"

#include <algorithm>
#include <array>
#include <set>

#include "tensorflow/core/framework/function.pb.h"
#include "tensorflow/core/framework/node_def_util.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_def.pb.h"
#include "tensorflow/core/framework/types.h"

namespace baton::tf_engine {
namespace {

namespace tf = tensorflow;

constexpr int kMaxPort = 1 << 20;

// Operations with state or references that keep nothing of what they are given, or only until the
// run ends. Sorted.
constexpr std::array<std::string_view, 48> kHarmless = {
    "Assert",
    "Case",
    "HashTable",
    "HashTableV2",
    "If",
    "LookupTableFind",
    "LookupTableFindV2",
    "LookupTableSize",
    "LookupTableSizeV2",
    "Multinomial",
    "MutableDenseHashTableV2",
    "MutableHashTableOfTensorsV2",
    "MutableHashTableV2",
    "ParameterizedTruncatedNormal",
    "PartitionedCall",
    "Print",
    "PrintV2",
    "RandomGamma",
    "RandomPoissonV2",
    "RandomShuffle",
    "RandomStandardNormal",
    "RandomUniform",
    "RandomUniformInt",
    "ReadVariableOp",
    "ResourceGather",
    "ResourceGatherNd",
    "StatefulPartitionedCall",
    "StatelessIf",
    "StatelessWhile",
    "TensorArrayCloseV3",
    "TensorArrayConcatV3",
    "TensorArrayGatherV3",
    "TensorArrayReadV3",
    "TensorArrayScatterV3",
    "TensorArraySizeV3",
    "TensorArraySplitV3",
    "TensorArrayV3",
    "TensorArrayWriteV3",
    "TruncatedNormal",
    "VarHandleOp",
    "VarIsInitializedOp",
    "Variable",
    "VariableShape",
    "VariableV2",
    "While",
    "_ReadVariablesOp",
    "_VarHandlesOp",
    "_While",
};
static_assert(std::is_sorted(kHarmless.begin(), kHarmless.end()));

bool HasReference(const tf::OpDef& op) {
  const auto is_ref = [](const tf::OpDef::ArgDef& arg) { return arg.is_ref(); };
  return std::any_of(op.input_arg().begin(), op.input_arg().end(), is_ref) ||
         std::any_of(op.output_arg().begin(), op.output_arg().end(), is_ref);
}

// "^node", "node:1", "node:out:0" -> "node"
std::string_view NodeName(std::string_view input) {
  if (!input.empty() && input[0] == '^') input.remove_prefix(1);
  return input.substr(0, input.find(':'));
}

}  // namespace

GraphNodes::GraphNodes(const tf::GraphDef& graph) : graph_(graph) {
  for (const tf::NodeDef& node : graph_.node()) nodes_[node.name()] = &node;
  for (const tf::FunctionDef& function : graph_.library().function()) {
    functions_[function.signature().name()] = &function;
  }
}

tf::DataType GraphNodes::TypeOf(const std::string& tensor) const {
  const auto node = nodes_.find(NodeName(tensor));
  const tf::OpDef* op = nullptr;
  if (node == nodes_.end() ||
      !tf::OpRegistry::Global()->LookUpOpDef(node->second->op(), &op).ok()) {
    return tf::DT_INVALID;
  }
  const size_t colon = tensor.find(':');
  int port = 0;
  for (size_t i = colon + 1; colon != std::string::npos && i < tensor.size(); ++i) {
    if (tensor[i] < '0' || tensor[i] > '9' || port > kMaxPort) return tf::DT_INVALID;
    port = port * 10 + (tensor[i] - '0');
  }
  tf::DataType dtype = tf::DT_INVALID;
  if (!tf::OutputTypeForNode(*node->second, *op, port, &dtype).ok()) return tf::DT_INVALID;
  return tf::BaseType(dtype);
}

bool GraphNodes::MayKeepInputs(const std::vector<std::string>& tensors) const {
  std::set<const tf::NodeDef*> seen_nodes;
  std::set<const tf::FunctionDef*> seen_functions;
  std::vector<const tf::NodeDef*> open;        // of the graph: follow their inputs
  std::vector<const tf::FunctionDef*> bodies;  // every node of a body counts

  const auto call = [&](std::string_view name) {
    const auto function = functions_.find(name);
    if (function == functions_.end()) return false;
    if (seen_functions.insert(function->second).second) bodies.push_back(function->second);
    return true;
  };
  // True when the node itself keeps inputs; queues the functions that it calls.
  const auto keeps = [&](const tf::NodeDef& node) {
    for (const auto& [key, value] : node.attr()) {
      if (value.has_func()) call(value.func().name());
      for (const auto& function : value.list().func()) call(function.name());
    }
    if (call(node.op())) return false;
    if (std::binary_search(kHarmless.begin(), kHarmless.end(), std::string_view(node.op())))
      return false;
    const tf::OpDef* op = nullptr;
    if (!tf::OpRegistry::Global()->LookUpOpDef(node.op(), &op).ok()) return true;
    return op->is_stateful() || HasReference(*op);
  };
  const auto visit = [&](std::string_view input) {
    const auto node = nodes_.find(NodeName(input));
    if (node != nodes_.end() && seen_nodes.insert(node->second).second)
      open.push_back(node->second);
  };

  for (const std::string& tensor : tensors) visit(tensor);
  while (!open.empty() || !bodies.empty()) {
    if (!open.empty()) {
      const tf::NodeDef* node = open.back();
      open.pop_back();
      if (keeps(*node)) return true;
      for (const std::string& input : node->input()) visit(input);
      continue;
    }
    const tf::FunctionDef* body = bodies.back();
    bodies.pop_back();
    for (const tf::NodeDef& node : body->node_def()) {
      if (keeps(node)) return true;
    }
  }
  return false;
}

}  // namespace baton::tf_engine
