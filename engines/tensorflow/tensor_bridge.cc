#include "tensor_bridge.h"

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "tensorflow/core/framework/allocation_description.pb.h"
#include "tensorflow/core/framework/tensor_shape.h"
#include "tensorflow/core/framework/types.h"
#include "tensorflow/core/lib/core/refcount.h"
#include "tf_status.h"

namespace baton::tf_engine {
namespace {

namespace tf = tensorflow;

constexpr size_t kAlignment = EIGEN_MAX_ALIGN_BYTES;

// Memory of the request, which outlives the run and its outputs. It says that it does not own its
// memory: so no kernel takes it over for its output and writes into the request.
class BorrowedBuffer final : public tf::TensorBuffer {
 public:
  BorrowedBuffer(const void* data, size_t size)
      : TensorBuffer(const_cast<void*>(data)), size_(size) {}
  size_t size() const override { return size_; }
  tf::TensorBuffer* root_buffer() override { return this; }
  bool OwnsMemory() const override { return false; }
  void FillAllocationDescription(tf::AllocationDescription* proto) const override {
    proto->set_requested_bytes(static_cast<int64_t>(size_));
    proto->set_allocator_name("baton_request");
  }

 private:
  const size_t size_;
};

// What an output keeps alive.
struct OutputOwner {
  explicit OutputOwner(const tf::Tensor& t) : tensor(t), dims(t.shape().dim_sizes()) {}
  tf::Tensor tensor;
  tf::gtl::InlinedVector<int64_t, 4> dims;
  std::vector<baton_str> strings;
};

void FillStrings(const baton_tensor& input, Inputs inputs, tf::Tensor* out) {
  const auto* from = static_cast<const baton_str*>(input.data);
  tf::tstring* to = out->flat<tf::tstring>().data();
  const int64_t count = out->NumElements();
  for (int64_t i = 0; i < count; ++i) {
    const char* data = from[i].data == nullptr ? "" : from[i].data;
    // Short strings live inside the tstring: a view would save nothing.
    if (inputs == Inputs::kShared && from[i].size > TF_TString_SmallCapacity) {
      to[i].assign_as_view(data, from[i].size);
    } else {
      to[i].assign(data, from[i].size);
    }
  }
}

// TensorFlow leaves a tensor without a buffer when its allocator gives none.
sdk::Status OutOfMemory(uint64_t bytes) {
  return {sdk::Code::kResourceExhausted,
          "no memory for an input of " + std::to_string(bytes) + " bytes"};
}

}  // namespace

sdk::Status ToTensor(const baton_tensor& input, Inputs inputs, tf::Tensor* out) {
  const auto dtype = static_cast<tf::DataType>(input.dtype);
  const int element = tf::DataType_IsValid(input.dtype) ? tf::DataTypeSize(dtype) : 0;
  if (element == 0 && dtype != tf::DT_STRING) {
    return {sdk::Code::kInvalidArgument,
            "an input has the unusable type " + tf::DataTypeString(dtype)};
  }
  tf::TensorShape shape;
  absl::Status status =
      tf::TensorShape::BuildTensorShape(absl::Span<const int64_t>(input.dims, input.rank), &shape);
  if (!status.ok()) return FromTf(status);
  const auto count = static_cast<uint64_t>(shape.num_elements());
  const uint64_t expected = count * (dtype == tf::DT_STRING ? sizeof(baton_str) : element);
  if (expected != input.bytes) {
    return {sdk::Code::kInvalidArgument, "an input has another size than its shape"};
  }
  if (dtype == tf::DT_STRING || count == 0) {
    *out = tf::Tensor(dtype, shape);
    if (count == 0) return {};
    if (!out->IsInitialized()) return OutOfMemory(input.bytes);
    FillStrings(input, inputs, out);
    return {};
  }
  if (inputs == Inputs::kShared && reinterpret_cast<uintptr_t>(input.data) % kAlignment == 0) {
    tf::core::RefCountPtr<tf::TensorBuffer> buffer(new BorrowedBuffer(input.data, input.bytes));
    *out = tf::Tensor(dtype, std::move(shape), std::move(buffer));
    return {};
  }
  *out = tf::Tensor(dtype, shape);
  if (!out->IsInitialized()) return OutOfMemory(input.bytes);
  std::memcpy(out->data(), input.data, input.bytes);
  return {};
}

sdk::Status FromTensor(const tf::Tensor& tensor, const std::string& name, baton_tensor* out) {
  const tf::DataType dtype = tensor.dtype();
  if (dtype != tf::DT_STRING && (tf::DataTypeSize(dtype) == 0 || tf::IsRefType(dtype))) {
    return {sdk::Code::kUnimplemented, "output \"" + name + "\" is of type " +
                                           tf::DataTypeString(dtype) +
                                           ", which cannot be returned"};
  }
  auto owner = std::make_unique<OutputOwner>(tensor);
  const int64_t* dims = owner->dims.data();
  const auto rank = static_cast<uint32_t>(owner->dims.size());
  if (dtype == tf::DT_STRING) {
    const auto strings = tensor.flat<tf::tstring>();
    owner->strings.reserve(static_cast<size_t>(strings.size()));
    for (int64_t i = 0; i < strings.size(); ++i) {
      owner->strings.push_back({owner->tensor.flat<tf::tstring>()(i).data(), strings(i).size()});
    }
    const baton_str* data = owner->strings.data();
    const uint64_t bytes = owner->strings.size() * sizeof(baton_str);
    sdk::SetOutput(*out, dtype, dims, rank, data, bytes, std::move(owner));
    return {};
  }
  const uint64_t bytes = static_cast<uint64_t>(tensor.NumElements()) * tf::DataTypeSize(dtype);
  sdk::SetOutput(*out, dtype, dims, rank, bytes == 0 ? nullptr : tensor.data(), bytes,
                 std::move(owner));
  return {};
}

}  // namespace baton::tf_engine
