#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tensorflow/core/framework/graph.pb.h"
#include "tensorflow/core/framework/types.pb.h"

namespace baton::tf_engine {

// The nodes and functions of a graph by name, and what the engine has to know about them before it
// lends them memory.
//
// Threads: thread-compatible. Owner: borrows the graph, which must outlive it. Errors: none; what
// it does not know counts as keeping, and as having no type.
class GraphNodes {
 public:
  explicit GraphNodes(const tensorflow::GraphDef& graph);

  // Of "node:0"; DT_INVALID when the graph has no such tensor.
  tensorflow::DataType TypeOf(const std::string& tensor) const;

  // Whether computing `tensors` ("node:0") reaches an operation that can keep a tensor beyond the
  // run: a variable that is assigned, a table that is filled, a queue. The inputs of such a run
  // must be copied, since a request's memory is borrowed.
  bool MayKeepInputs(const std::vector<std::string>& tensors) const;

 private:
  const tensorflow::GraphDef& graph_;
  std::map<std::string_view, const tensorflow::NodeDef*> nodes_;
  std::map<std::string_view, const tensorflow::FunctionDef*> functions_;
};

}  // namespace baton::tf_engine
