// Any bytes as a TensorProto: DecodeTensor must accept what protobuf and the reference accept, with
// the same elements, and what it decoded must survive being encoded and decoded again.

#include <cstdlib>

#include "codec/grpc/tensor_codec.h"
#include "codec/grpc/tensor_reference.h"
#include "codec/grpc/typed_field.h"

namespace baton::codec::grpc {
namespace {

constexpr int64_t kManyElements = 1 << 16;

void Require(bool condition) {
  if (!condition) std::abort();
}

// Objects have no elements to compare, and large tensors would only be slow.
bool IsComparable(const tensorflow::TensorProto& proto, int64_t count) {
  const auto dtype = static_cast<tensor::DType>(proto.dtype());
  return FieldOf(dtype).form != TypedField::Form::kObject && count <= kManyElements;
}

void CheckRoundTrip(const tensor::Tensor& tensor, TensorEncoding encoding) {
  std::string bytes;
  AppendTensor(tensor, encoding, &bytes);
  Require(bytes.size() == EncodedTensorSize(tensor, encoding));
  const base::Buffer message = base::Buffer::Copy(bytes);
  const absl::StatusOr<tensor::Tensor> back = DecodeTensor(message.view(), message);
  Require(back.ok() && back->dtype() == tensor.dtype() && back->shape() == tensor.shape());
  // Booleans and nibbles are put into their range by the typed field.
  const bool is_exact =
      encoding == TensorEncoding::kTensorContent || tensor::ByteSize(tensor.dtype()) > 1;
  if (is_exact) Require(ElementsOf(*back) == ElementsOf(tensor));
}

void CheckDecoding(std::string_view bytes) {
  tensorflow::TensorProto proto;
  const bool parses = proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  const std::optional<int64_t> count = parses ? ReferenceCount(proto) : std::nullopt;
  if (count && !IsComparable(proto, *count)) return;
  const base::Buffer message = base::Buffer::Copy(bytes);
  const absl::StatusOr<tensor::Tensor> tensor = DecodeTensor(message.view(), message);
  const auto expected = parses ? ReferenceDecode(proto) : std::nullopt;
  Require(tensor.ok() == expected.has_value());
  if (!tensor.ok()) return;
  Require(ElementsOf(*tensor) == *expected);
  CheckRoundTrip(*tensor, TensorEncoding::kTypedField);
  CheckRoundTrip(*tensor, TensorEncoding::kTensorContent);
}

}  // namespace
}  // namespace baton::codec::grpc

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  google::protobuf::SetLogHandler(nullptr);  // it says much about bytes that are no UTF-8
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  baton::codec::grpc::CheckDecoding({reinterpret_cast<const char*>(data), size});
  return 0;
}
