#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "baton/engine_sdk.h"
#include "callables.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow_model.h"

namespace baton::tf_engine {

// Runs of one model, one after the other. A session is thread-safe and keeps no state per run; an
// instance is what makes a run cheap: the callables it used last, and scratch memory.
class TensorflowInstance final : public sdk::Instance {
 public:
  explicit TensorflowInstance(TensorflowModel* model) : model_(model) {}
  sdk::Status Execute(const baton_run& run) override;

 private:
  using Recent = std::pair<CallableKey, std::shared_ptr<const Callable>>;
  static constexpr size_t kMaxRecent = 8;

  sdk::Status SortPorts(const ServedSignature& signature, const baton_run& run);
  sdk::Status Feed(const ServedSignature& signature);
  sdk::Status Return(const ServedSignature& signature, const baton_run& run);
  sdk::Result<std::shared_ptr<const Callable>> FindCallable();

  TensorflowModel* const model_;
  std::vector<Recent> recent_;
  // Scratch of one run.
  CallableKey key_;
  std::vector<const baton_tensor*> given_;  // by input port; null: left out
  std::vector<uint32_t> fetch_;  // by output port: 1 + position in key_.outputs; 0: not wanted
  std::vector<tensorflow::Tensor> feeds_;
  std::vector<tensorflow::Tensor> fetched_;
};

}  // namespace baton::tf_engine
