#pragma once

#include <cstddef>

#include "codec/grpc/tensor_codec.h"
#include "codec/grpc/typed_field.h"
#include "tensor/tensor.h"

namespace baton::codec::grpc {

// Measures a TensorProto once, so that it can be written without growing anything, and tells where
// its elements can be sent from the tensor's own memory instead of being copied.
//
// Threads: immutable. Owner: borrows the tensor for its life. Errors: none; types without a host
// layout have a shape and no elements.
class TensorEncoder {
 public:
  TensorEncoder(const tensor::Tensor& tensor, TensorEncoding encoding);

  size_t size() const { return head_bytes_ + payload_bytes_; }
  size_t payload_bytes() const { return payload_bytes_; }
  // The payload is tensor.bytes(), as it lies there.
  bool payload_is_memory() const { return form_ == Form::kMemory; }

  // Type, shape and the payload's tag; then the elements. Both return the position behind.
  char* WriteHead(char* to) const;
  char* WritePayload(char* to) const;

 private:
  enum class Form { kEmpty, kMemory, kVarints, kStrings, kStringContent };

  void MeasurePayload(TensorEncoding encoding);

  const tensor::Tensor& tensor_;
  Form form_ = Form::kEmpty;
  uint32_t field_ = 0;
  size_t shape_bytes_ = 0;
  size_t head_bytes_ = 0;
  size_t payload_bytes_ = 0;
};

}  // namespace baton::codec::grpc
