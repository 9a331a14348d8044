#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/signature.h"
#include "tensor/tensor.h"

namespace baton::predict {

// Set once by whoever learns that nobody waits for the answer any more (peer gone, deadline
// answered); read by queues and engines. Shared by the exchange and the call.
//
// Threads: thread-safe.
class Cancellation {
 public:
  void Cancel() { __atomic_store_n(&flag_, 1, __ATOMIC_RELAXED); }
  bool cancelled() const { return __atomic_load_n(&flag_, __ATOMIC_RELAXED) != 0; }
  const volatile int* flag() const { return &flag_; }  // as the engine ABI wants it

 private:
  volatile int flag_ = 0;
};

// What a request brings besides its tensors.
struct CallContext {
  absl::Time arrival = {};
  absl::Time deadline = absl::InfiniteFuture();
  std::shared_ptr<Cancellation> cancellation = {};  // may be null: cannot be cancelled
  // True when the caller is a loop thread that is free to compute now; lets small models run
  // without a hop.
  bool may_run_inline = false;

  bool cancelled() const { return cancellation != nullptr && cancellation->cancelled(); }
};

// The decoded question: tensors by port index of one signature.
struct PredictRequest {
  const engine::Signature* signature = nullptr;
  std::vector<uint32_t> input_ports;
  std::vector<tensor::Tensor> inputs;  // same length
  std::vector<uint32_t> output_ports;  // what to compute and return, in this order
  // One run over several signatures of the model (MultiInference): the signature that each input
  // and output port counts in, same lengths as above. Empty: all count in `signature`.
  std::vector<const engine::Signature*> input_signatures = {};
  std::vector<const engine::Signature*> output_signatures = {};

  const engine::Signature& InputSignature(size_t i) const {
    return input_signatures.empty() ? *signature : *input_signatures[i];
  }
  const engine::Signature& OutputSignature(size_t i) const {
    return output_signatures.empty() ? *signature : *output_signatures[i];
  }
};

// The answer: one tensor per requested output port, in the request's order.
struct PredictResponse {
  std::vector<tensor::Tensor> outputs;
};

// The answer channel of a call: Finish exactly once. A sink that dies unfinished answers kInternal
// by itself, so no request is ever lost without an answer.
//
// Threads: thread-compatible; moved, not shared. Finish may be called on any thread; the callback
// then runs there. Owner: travels inside the call; keeps `lease` (usually the servable) alive until
// the callback has returned. Errors: finishing twice is a broken invariant.
class ResponseSink {
 public:
  using Callback = absl::AnyInvocable<void(absl::StatusOr<PredictResponse>) &&>;

  ResponseSink() = default;
  explicit ResponseSink(Callback callback, std::shared_ptr<const void> lease = nullptr)
      : callback_(std::move(callback)), lease_(std::move(lease)) {}
  ResponseSink(ResponseSink&& other) noexcept
      : callback_(std::exchange(other.callback_, nullptr)), lease_(std::move(other.lease_)) {}
  ResponseSink& operator=(ResponseSink&& other) noexcept;
  ~ResponseSink();

  void Finish(absl::StatusOr<PredictResponse> result);

 private:
  Callback callback_;
  std::shared_ptr<const void> lease_;
};

// One prediction on its way down the stack. The servable that `request.signature` belongs to
// outlives it: the sink's owner holds the handle.
struct PredictCall {
  CallContext context;
  PredictRequest request;
  ResponseSink sink;
};

// Why `context` needs no work any more at `now`: kCancelled, or kDeadlineExceeded with the text
// clients of TensorFlow Serving know; OK while somebody waits.
absl::Status CheckAwaited(const CallContext& context, absl::Time now);

// "Timed out waiting for notification".
absl::Status TimedOut();

}  // namespace baton::predict
