#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "baton/engine_sdk.h"
#include "graph_head.h"
#include "lite_rt.h"

namespace baton::tflite_engine {

// One subgraph that requests run. Tensors are numbered as in the file.
struct ServedGraph {
  struct Port {
    uint32_t tensor = 0;
    int32_t type = 0;  // lite::Type
    std::string name;
    std::vector<int32_t> shape;
  };
  size_t num_tensors = 0;  // of the file
  std::vector<Port> inputs, outputs;
};

// The process's LiteRT environment: CPU only, silent, and with an accelerator of ours that does
// nothing but let an interpreter see its tensors.
//
// Threads: thread-safe. Owner: the engine; outlives all programs.
class Runtime {
 public:
  static sdk::Result<const Runtime*> Get();

  const lite::Functions& functions() const { return functions_; }
  lite::Environment* environment() const { return environment_; }
  // Whether the runtime has this built-in operator, by trying.
  bool Has(const ModelFile::OperatorCode& code) const;

 private:
  explicit Runtime(const lite::Functions& functions) : functions_(functions) {}

  const lite::Functions& functions_;
  lite::Environment* environment_ = nullptr;
};

// A model that interpreters share: `bytes` come from WithServingHead.
//
// Threads: thread-safe. Owner: the model; outlives its interpreters.
class Program {
 public:
  static sdk::Result<std::unique_ptr<Program>> Create(const Runtime& runtime, ModelBytes bytes,
                                                      std::vector<ServedGraph> graphs);
  ~Program();

  const Runtime& runtime() const { return runtime_; }
  lite::Model* model() const { return model_; }
  const std::vector<ServedGraph>& graphs() const { return graphs_; }

 private:
  Program(const Runtime& runtime, ModelBytes bytes, std::vector<ServedGraph> graphs)
      : runtime_(runtime), bytes_(std::move(bytes)), graphs_(std::move(graphs)) {}

  const Runtime& runtime_;
  const ModelBytes bytes_;
  const std::vector<ServedGraph> graphs_;
  lite::Model* model_ = nullptr;
};

// Until when a run is of use.
struct Patience {
  const volatile int* cancelled = nullptr;  // non-zero: no longer
  int64_t deadline_unix_nanos = INT64_MAX;

  // OK as long as somebody waits.
  sdk::Status Check() const;
};

// One interpreter of a program: its own tensors, and state if the model has some.
//
// Threads: one caller at a time. Errors: INTERNAL, in TensorFlow Serving's words.
class Interpreter {
 public:
  static sdk::Result<std::unique_ptr<Interpreter>> Create(const Program& program);
  ~Interpreter();

  lite::Tensor& tensor(uint32_t graph, uint32_t index) const {
    return *reinterpret_cast<lite::Tensor*>(contexts_[graph]->tensors +
                                            index * lite::kTensorStride);
  }
  // Of the i-th input of a graph, which gets `bytes`, for the message. The tensors of the graph
  // have no memory until Allocate.
  sdk::Status Resize(uint32_t graph, size_t input, const std::vector<int32_t>& dims,
                     uint64_t bytes);
  // Does nothing when no input was resized since the last time.
  sdk::Status Allocate(uint32_t graph);
  // Stops before the next node once nobody waits any more, with CANCELLED or DEADLINE_EXCEEDED.
  sdk::Status Invoke(uint32_t graph, const Patience& patience);

 private:
  explicit Interpreter(const Program& program)
      : program_(program),
        functions_(program.runtime().functions()),
        is_allocated_(program.graphs().size(), 0) {}

  static int Witness(lite::Context* context, lite::Delegate* delegate);
  sdk::Status Build();
  sdk::Status FindContexts();
  sdk::Status MakeRankBuffers();

  const Program& program_;
  const lite::Functions& functions_;
  lite::Delegate delegate_ = {
      this, &Witness, nullptr, nullptr, nullptr, lite::kAllowsDynamicTensors, nullptr};
  lite::CompiledModel* compiled_ = nullptr;
  std::vector<lite::Context*> seen_;      // of all subgraphs
  std::vector<lite::Context*> contexts_;  // by graph
  std::vector<char> is_allocated_;        // by graph
  const Patience* patience_ = nullptr;    // of the run in progress
  // The ranks that the runtime calls outputs; nobody reads them.
  struct alignas(64) RankMemory {
    char bytes[64];
  };
  std::vector<RankMemory> rank_memory_;
  std::vector<lite::TensorBuffer*> rank_buffers_;
  std::vector<lite::TensorBuffer*> no_buffers_;  // NULLs: inputs are filled in place
};

}  // namespace baton::tflite_engine
