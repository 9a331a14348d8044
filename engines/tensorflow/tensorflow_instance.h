#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "baton/engine_sdk.h"
#include "callables.h"
#include "run_plan.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow_model.h"

namespace baton::tf_engine {

// Runs of one model, one after the other. A session is thread-safe and keeps no state per run; an
// instance is what makes a run cheap: the callables it used last, and scratch memory.
class TensorflowInstance final : public sdk::Instance {
 public:
  explicit TensorflowInstance(TensorflowModel* model) : model_(model), plan_(model->signatures()) {}
  sdk::Status Execute(const baton_run& run) override;

 private:
  using Recent = std::pair<CallableKey, std::shared_ptr<const Callable>>;
  static constexpr size_t kMaxRecent = 8;

  sdk::Status Feed();
  sdk::Status Return(const baton_run& run);
  sdk::Result<std::shared_ptr<const Callable>> FindCallable();

  TensorflowModel* const model_;
  std::vector<Recent> recent_;
  // Scratch of one run.
  RunPlan plan_;
  std::vector<tensorflow::Tensor> feeds_;
  std::vector<tensorflow::Tensor> fetched_;
};

}  // namespace baton::tf_engine
