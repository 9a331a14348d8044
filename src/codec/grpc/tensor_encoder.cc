#include "codec/grpc/tensor_encoder.h"

#include "codec/grpc/wire_writer.h"

namespace baton::codec::grpc {
namespace {

using tensor::DType;
using tensor::StringRef;
using tensor::Tensor;

constexpr uint32_t kContentField = 4;

// Calls `visit` with every element as the varint that stands for it; negative ones take ten bytes.
template <typename T, typename Visit>
void VisitAs(const Tensor& tensor, Visit&& visit) {
  for (const T value : tensor.values<T>()) {
    visit(static_cast<uint64_t>(static_cast<int64_t>(value)));
  }
}

template <typename Visit>
void VisitVarints(const Tensor& tensor, Visit&& visit) {
  switch (tensor.dtype()) {
    case DType::kInt8:
    case DType::kQint8:
      return VisitAs<int8_t>(tensor, visit);
    case DType::kInt4:
      for (const int8_t v : tensor.values<int8_t>()) {
        visit(static_cast<uint64_t>(int64_t{SignedNibble<4>(static_cast<uint8_t>(v))}));
      }
      return;
    case DType::kInt2:
      for (const int8_t v : tensor.values<int8_t>()) {
        visit(static_cast<uint64_t>(int64_t{SignedNibble<2>(static_cast<uint8_t>(v))}));
      }
      return;
    case DType::kUint4:
      for (const uint8_t v : tensor.values<uint8_t>()) visit(UnsignedNibble<4>(v));
      return;
    case DType::kUint2:
      for (const uint8_t v : tensor.values<uint8_t>()) visit(UnsignedNibble<2>(v));
      return;
    case DType::kBool:
      for (const uint8_t v : tensor.values<uint8_t>()) visit(v != 0);
      return;
    case DType::kUint8:
    case DType::kQuint8:
      return VisitAs<uint8_t>(tensor, visit);
    case DType::kInt16:
    case DType::kQint16:
      return VisitAs<int16_t>(tensor, visit);
    case DType::kUint16:
    case DType::kQuint16:
    case DType::kHalf:
    case DType::kBfloat16:
      return VisitAs<uint16_t>(tensor, visit);
    case DType::kInt32:
    case DType::kQint32:
      return VisitAs<int32_t>(tensor, visit);
    case DType::kUint32:
      return VisitAs<uint32_t>(tensor, visit);
    default:
      return VisitAs<int64_t>(tensor, visit);  // 64 bits: the sign makes no difference
  }
}

// A dimension of size zero is a message without fields.
size_t DimSize(int64_t dim) { return dim == 0 ? 0 : 1 + VarintSize(static_cast<uint64_t>(dim)); }

size_t ShapeSize(const tensor::Shape& shape) {
  size_t bytes = 0;
  for (const int64_t dim : shape.dims()) bytes += BytesFieldSize(2, DimSize(dim));
  return bytes;
}

}  // namespace

TensorEncoder::TensorEncoder(const Tensor& tensor, TensorEncoding encoding) : tensor_(tensor) {
  MeasurePayload(encoding);
  shape_bytes_ = ShapeSize(tensor.shape());
  if (tensor.dtype() != DType::kInvalid) {
    head_bytes_ += 1 + VarintSize(static_cast<uint32_t>(tensor.dtype()));
  }
  head_bytes_ += BytesFieldSize(2, shape_bytes_);
  // Strings in their typed field have a tag each and are all payload.
  if (form_ != Form::kEmpty && form_ != Form::kStrings) {
    head_bytes_ += BytesTagSize(field_) + VarintSize(payload_bytes_);
  }
}

void TensorEncoder::MeasurePayload(TensorEncoding encoding) {
  const TypedField field = FieldOf(tensor_.dtype());
  if (tensor_.buffer().empty()) return;  // no elements, or none that can be written
  if (tensor_.dtype() == DType::kString) {
    const bool as_content = encoding == TensorEncoding::kTensorContent;
    form_ = as_content ? Form::kStringContent : Form::kStrings;
    field_ = as_content ? kContentField : field.field;
    const size_t tag = as_content ? 0 : BytesTagSize(field_);
    for (const StringRef& s : tensor_.strings())
      payload_bytes_ += tag + VarintSize(s.size) + s.size;
  } else if (encoding == TensorEncoding::kTensorContent ||
             field.form != TypedField::Form::kVarint) {
    form_ = Form::kMemory;
    field_ = encoding == TensorEncoding::kTensorContent ? kContentField : field.field;
    payload_bytes_ = tensor_.buffer().size();
  } else {
    form_ = Form::kVarints;
    field_ = field.field;
    VisitVarints(tensor_, [this](uint64_t value) { payload_bytes_ += VarintSize(value); });
  }
}

char* TensorEncoder::WriteHead(char* to) const {
  if (tensor_.dtype() != DType::kInvalid) {
    to = WriteVarint(1 << 3, to);
    to = WriteVarint(static_cast<uint32_t>(tensor_.dtype()), to);
  }
  to = WriteBytesTag(2, shape_bytes_, to);
  for (const int64_t dim : tensor_.shape().dims()) {
    to = WriteBytesTag(2, DimSize(dim), to);
    if (dim != 0) to = WriteVarint(static_cast<uint64_t>(dim), WriteVarint(1 << 3, to));
  }
  if (form_ != Form::kEmpty && form_ != Form::kStrings)
    to = WriteBytesTag(field_, payload_bytes_, to);
  return to;
}

char* TensorEncoder::WritePayload(char* to) const {
  switch (form_) {
    case Form::kEmpty:
      return to;
    case Form::kMemory:
      return WriteRaw(tensor_.bytes(), to);
    case Form::kVarints:
      VisitVarints(tensor_, [&to](uint64_t value) { to = WriteVarint(value, to); });
      return to;
    case Form::kStrings:
      for (const StringRef& s : tensor_.strings()) to = WriteBytesField(field_, s.view(), to);
      return to;
    case Form::kStringContent:
      for (const StringRef& s : tensor_.strings()) to = WriteVarint(s.size, to);
      for (const StringRef& s : tensor_.strings()) to = WriteRaw(s.view(), to);
      return to;
  }
  return to;
}

size_t EncodedTensorSize(const Tensor& tensor, TensorEncoding encoding) {
  return TensorEncoder(tensor, encoding).size();
}

void AppendTensor(const Tensor& tensor, TensorEncoding encoding, std::string* out) {
  const TensorEncoder encoder(tensor, encoding);
  const size_t at = out->size();
  out->resize(at + encoder.size());
  encoder.WritePayload(encoder.WriteHead(out->data() + at));
}

}  // namespace baton::codec::grpc
