#pragma once

// Test stand-ins for an engine: a model whose runs do what the test says, and what tests need to
// wait for each other.

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "engine/engine.h"
#include "predict/call.h"

namespace baton::predict {

// Holds back whoever passes until it is opened, and lets the test wait until somebody stands before
// it.
//
// Threads: thread-safe.
class Gate {
 public:
  void Open() {
    base::MutexLock lock(mutex_);
    open_ = true;
    changed_.NotifyAll();
  }
  void Pass() {
    base::MutexLock lock(mutex_);
    ++arrived_;
    changed_.NotifyAll();
    while (!open_) changed_.Wait(mutex_);
  }
  void WaitForArrivals(int n) {
    base::MutexLock lock(mutex_);
    while (arrived_ < n) changed_.Wait(mutex_);
  }
  int arrived() const {
    base::MutexLock lock(mutex_);
    return arrived_;
  }

 private:
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
  int arrived_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Collects the answers of calls.
//
// Threads: thread-safe; outlives its sinks.
class Answers {
 public:
  ResponseSink NewSink(std::shared_ptr<const void> lease = nullptr) {
    return ResponseSink([this](absl::StatusOr<PredictResponse> result) { Add(result.status()); },
                        std::move(lease));
  }
  void Add(absl::Status status) {
    base::MutexLock lock(mutex_);
    statuses_.push_back(std::move(status));
    changed_.NotifyAll();
  }
  // In the order in which they came.
  std::vector<absl::Status> WaitFor(size_t n) {
    base::MutexLock lock(mutex_);
    while (statuses_.size() < n) changed_.Wait(mutex_);
    return statuses_;
  }
  size_t count() const {
    base::MutexLock lock(mutex_);
    return statuses_.size();
  }

 private:
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<absl::Status> statuses_ ABSL_GUARDED_BY(mutex_);
};

// A model whose runs do what the test says. Without a script every output is the first input, or a
// scalar without one.
//
// Threads: thread-safe.
class ScriptedModel final : public engine::Model {
 public:
  using Script =
      std::function<absl::Status(const engine::RunRequest&, std::vector<tensor::Tensor>*)>;

  explicit ScriptedModel(Script script = Echo, uint32_t max_instances = 0,
                         std::vector<engine::Signature> signatures = {FloatSignature(
                             std::string(engine::kDefaultSignature))})
      : script_(std::move(script)),
        max_instances_(max_instances),
        signatures_(std::move(signatures)) {}

  const engine::SignatureTable& signatures() const override { return signatures_; }
  uint64_t memory_bytes() const override { return 0; }
  uint32_t max_instances() const override { return max_instances_; }
  std::string_view signature_def_map() const override { return {}; }
  absl::StatusOr<std::unique_ptr<engine::Instance>> NewInstance() override {
    if (fail_instances > 0 && fail_instances.fetch_sub(1) > 0) {
      return absl::ResourceExhaustedError("no memory for an instance");
    }
    return std::make_unique<Instance>(this);
  }

  static absl::Status Echo(const engine::RunRequest& run, std::vector<tensor::Tensor>* outputs) {
    const float zero = 0;
    outputs->assign(run.output_ports.size(),
                    run.inputs.empty() ? tensor::Tensor::FromValues<float>(tensor::DType::kFloat,
                                                                           {}, std::span(&zero, 1))
                                       : run.inputs[0]);
    return absl::OkStatus();
  }

  // One float vector "x" in, one "y" out.
  static engine::Signature FloatSignature(std::string name) {
    engine::Signature signature;
    signature.name = std::move(name);
    signature.method_name = "tensorflow/serving/predict";
    signature.inputs = {{"x", "x:0", tensor::DType::kFloat, {false, {-1}}, false}};
    signature.outputs = {{"y", "y:0", tensor::DType::kFloat, {false, {-1}}, false}};
    return signature;
  }

  // A request for a signature of this model with `elements` floats.
  PredictRequest NewRequest(std::string_view signature = "", int64_t elements = 1) const {
    PredictRequest request;
    request.signature = signatures_.Find(signature);
    const std::vector<float> values(static_cast<size_t>(elements), 1.5f);
    request.inputs = {tensor::Tensor::FromValues<float>(tensor::DType::kFloat, {elements}, values)};
    request.input_ports = {0};
    request.output_ports = {0};
    return request;
  }

  std::atomic<int> fail_instances{0};  // how many of the next NewInstance calls fail
  std::atomic<int> instances{0};       // alive
  std::atomic<int> runs{0};
  std::atomic<bool> shared_instance{false};  // two callers were in one instance: the pool is broken

 private:
  class Instance final : public engine::Instance {
   public:
    explicit Instance(ScriptedModel* model) : model_(model) { ++model_->instances; }
    ~Instance() override { --model_->instances; }
    absl::Status Execute(const engine::RunRequest& run,
                         std::vector<tensor::Tensor>* outputs) override {
      if (busy_.exchange(true)) model_->shared_instance = true;
      ++model_->runs;
      absl::Status status = model_->script_(run, outputs);
      busy_ = false;
      return status;
    }

   private:
    ScriptedModel* const model_;
    std::atomic<bool> busy_{false};
  };

  const Script script_;
  const uint32_t max_instances_;
  const engine::SignatureTable signatures_;
};

}  // namespace baton::predict
