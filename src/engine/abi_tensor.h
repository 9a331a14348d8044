#pragma once

#include <memory>
#include <span>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "baton/engine_abi.h"
#include "tensor/tensor.h"

namespace baton::engine {

// The descriptor of `tensor`; valid as long as `tensor` stays where it is.
baton_tensor ToAbi(const tensor::Tensor& tensor);

// What the outputs of one run share: the descriptors that the engine filled in, and the memory of
// the inputs, which outputs may point into. Every descriptor is released once, when the last output
// is gone.
//
// Threads: filled by one thread; destroyed on any. Owner: the Tensors that TakeOutputs makes.
// Errors: none.
class RunOutputs {
 public:
  explicit RunOutputs(size_t count);
  ~RunOutputs();
  RunOutputs(const RunOutputs&) = delete;
  RunOutputs& operator=(const RunOutputs&) = delete;

  void KeepInput(const tensor::Tensor& input) { inputs_.push_back(input.buffer().owner()); }
  baton_tensor* descriptors() { return descriptors_.data(); }
  std::span<const baton_tensor> view() const { return descriptors_; }

 private:
  absl::InlinedVector<baton_tensor, 2> descriptors_;
  absl::InlinedVector<std::shared_ptr<const void>, 2> inputs_;
};

// One descriptor as a tensor that shares its memory; `owner` keeps that alive. kInternal with the
// reason when the descriptor is not one the host can use: nothing in it is trusted but the
// pointers.
absl::StatusOr<tensor::Tensor> FromAbi(const baton_tensor& descriptor,
                                       std::shared_ptr<const void> owner);

}  // namespace baton::engine
