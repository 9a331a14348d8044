#include <algorithm>
#include <numeric>
#include <vector>

#include "base/status_macros.h"
#include "base/strings.h"
#include "codec/rest/json_tape.h"
#include "codec/rest/predict_codec.h"
#include "codec/rest/rapidjson_text.h"
#include "codec/rest/request_body.h"
#include "codec/rest/tensor_filler.h"

namespace baton::codec::rest {
namespace {

using engine::Port;
using engine::Signature;

// Room for the elements a shape promises. A shape that promises more than the text can hold is
// irregular further on: then nothing is kept, and filling finds the place.
absl::Status ReserveFor(const tensor::Shape& shape, const JsonTape& tape, TensorFiller& filler) {
  const std::optional<int64_t> elements = shape.NumElements();
  if (!elements || static_cast<uint64_t>(*elements) > tape.size()) return absl::OkStatus();
  return filler.Reserve(*elements);
}

// Shapes and types that JSON can spell but a tensor cannot have.
absl::Status CheckTensor(const Port& port, const tensor::Shape& shape) {
  if (shape.rank() > tensor::Shape::kMaxRank || tensor::ByteSize(port.dtype) == 0) {
    return absl::InvalidArgumentError(base::StrCat("tensor parsing error: ", port.name));
  }
  return absl::OkStatus();
}

// One whole tensor of a columnar body.
absl::StatusOr<tensor::Tensor> ReadColumn(const JsonTape& tape, size_t at, const Port& port) {
  tensor::Shape shape = ShapeOf(tape, at);
  TensorFiller filler(tape, port.dtype);
  if (tensor::ByteSize(port.dtype) > 0) BATON_RETURN_IF_ERROR(ReserveFor(shape, tape, filler));
  BATON_RETURN_IF_ERROR(filler.Fill(at, shape));
  BATON_RETURN_IF_ERROR(CheckTensor(port, shape));
  return std::move(filler).Finish(std::move(shape));
}

absl::StatusOr<std::vector<tensor::Tensor>> ReadColumns(const JsonTape& tape, size_t inputs,
                                                        const Signature& signature) {
  std::vector<tensor::Tensor> tensors;
  if (!tape.is_object(inputs) || tape.is_base64_object(inputs)) {
    if (signature.inputs.size() > 1) {
      return absl::InvalidArgumentError(
          "inputs is a plain value/list, but expecting an object as multiple input tensors "
          "required as per tensorinfo_map");
    }
    BATON_ASSIGN_OR_RETURN(tensor::Tensor tensor, ReadColumn(tape, inputs, signature.inputs[0]));
    tensors.push_back(std::move(tensor));
    return tensors;
  }
  for (const Port& port : signature.inputs) {
    const size_t at = tape.Find(inputs, port.name);
    if (at == 0) {
      return absl::InvalidArgumentError(
          base::StrCat("Missing named input: ", port.name, " in 'inputs' object."));
    }
    BATON_ASSIGN_OR_RETURN(tensor::Tensor tensor, ReadColumn(tape, at, port));
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

// One input of a row-format body: every row appends its elements.
class RowColumn {
 public:
  RowColumn(const JsonTape& tape, const Port& port, int64_t rows)
      : tape_(tape), port_(port), rows_(rows), filler_(tape, port.dtype) {}

  absl::Status Append(size_t at) {
    tensor::Shape shape = ShapeOf(tape_, at);
    if (!has_shape_) BATON_RETURN_IF_ERROR(Start(shape));
    BATON_RETURN_IF_ERROR(filler_.Fill(at, shape));
    if (shape == shape_) return absl::OkStatus();
    const int64_t expected = shape_.NumElements().value_or(0);
    const int64_t elements = shape.NumElements().value_or(0);
    if (elements != expected) {
      return absl::InvalidArgumentError(
          base::StrCat("Expecting tensor size: ", expected, " but got: ", elements));
    }
    return absl::InvalidArgumentError(
        base::StrCat("Expecting shape ", shape_.DebugString(), " but got: ", shape.DebugString()));
  }

  absl::StatusOr<tensor::Tensor> Finish() && {
    tensor::Shape shape = shape_;
    shape.Prepend(rows_);
    BATON_RETURN_IF_ERROR(CheckTensor(port_, shape));
    return std::move(filler_).Finish(std::move(shape));
  }

 private:
  absl::Status Start(const tensor::Shape& shape) {
    has_shape_ = true;
    shape_ = shape;
    if (tensor::ByteSize(port_.dtype) == 0) return absl::OkStatus();
    tensor::Shape batch = shape;
    batch.Prepend(rows_);
    return ReserveFor(batch, tape_, filler_);
  }

  const JsonTape& tape_;
  const Port& port_;
  const int64_t rows_;
  bool has_shape_ = false;
  tensor::Shape shape_;
  TensorFiller filler_;
};

// The rows of an "instances" list.
class RowReader {
 public:
  RowReader(const JsonTape& tape, size_t instances, const Signature& signature)
      : tape_(tape), instances_(instances), signature_(signature) {
    columns_.reserve(signature.inputs.size());
    for (const Port& port : signature.inputs) {
      columns_.emplace_back(tape, port, static_cast<int64_t>(tape.count(instances)));
    }
  }

  absl::StatusOr<std::vector<tensor::Tensor>> Read() {
    const bool are_objects = IsNamed(instances_ + 2);
    if (!are_objects && columns_.size() > 1) {
      return absl::InvalidArgumentError(
          "instances is a plain list, but expecting list of objects as multiple input tensors "
          "required as per tensorinfo_map");
    }
    const size_t end = tape_.next(instances_);
    for (size_t at = instances_ + 2; at < end; at = tape_.next(at), ++row_) {
      BATON_RETURN_IF_ERROR(are_objects ? ReadObject(at) : ReadValue(at));
    }
    std::vector<tensor::Tensor> tensors;
    for (RowColumn& column : columns_) {
      BATON_ASSIGN_OR_RETURN(tensor::Tensor tensor, std::move(column).Finish());
      tensors.push_back(std::move(tensor));
    }
    return tensors;
  }

 private:
  // An object that names inputs, not a base64 value.
  bool IsNamed(size_t at) const { return tape_.is_object(at) && !tape_.is_base64_object(at); }

  absl::Status ReadValue(size_t at) {
    if (IsNamed(at)) {
      return absl::InvalidArgumentError(
          base::StrCat("Expecting value/list but got object at item ", row_, " of input list"));
    }
    const absl::Status status = columns_[0].Append(at);
    return status.ok() ? status : WrongElement("", status);
  }

  absl::Status ReadObject(size_t at) {
    if (!IsNamed(at)) {
      return absl::InvalidArgumentError(
          base::StrCat("Expecting object but got list at item ", row_, " of input list"));
    }
    const size_t end = tape_.next(at);
    seen_.assign(columns_.size(), false);
    for (size_t key = at + 2; key < end; key = tape_.next(key + 2)) {
      const absl::Status status = ReadMember(key);
      if (!status.ok()) return WrongElement(base::StrCat(" key: ", tape_.string_at(key)), status);
    }
    if (std::find(seen_.begin(), seen_.end(), false) == seen_.end()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        base::StrCat("Failed to process element: ", row_, " of 'instances' list. JSON object: ",
                     DebugText(tape_, at), " keys must be equal to: ", InputNames()));
  }

  absl::Status ReadMember(size_t key) {
    const std::optional<uint32_t> port = tape_.has_escapes(key)
                                             ? signature_.FindInput(tape_.string_at(key))
                                             : signature_.FindInput(tape_.raw_string(key));
    if (!port) {
      return absl::InvalidArgumentError(
          base::StrCat("JSON object: does not have named input: ", tape_.string_at(key)));
    }
    seen_[*port] = true;
    return columns_[*port].Append(key + 2);
  }

  absl::Status WrongElement(std::string_view key, const absl::Status& inner) const {
    return absl::InvalidArgumentError(base::StrCat(
        "Failed to process element: ", row_, key,
        " of 'instances' list. Error: ", base::CodeName(inner.code()), ": ", base::Message(inner)));
  }

  std::string InputNames() const {
    std::string names;
    for (const Port& port : signature_.inputs) {
      if (!names.empty()) names += ',';
      names += port.name;
    }
    return names;
  }

  const JsonTape& tape_;
  const size_t instances_;
  const Signature& signature_;
  std::vector<RowColumn> columns_;
  std::vector<bool> seen_;
  int64_t row_ = 0;
};

}  // namespace

struct PredictBody::Parsed : RequestBody {};

PredictBody::PredictBody(std::unique_ptr<Parsed> parsed) : parsed_(std::move(parsed)) {}
PredictBody::PredictBody(PredictBody&&) noexcept = default;
PredictBody& PredictBody::operator=(PredictBody&&) noexcept = default;
PredictBody::~PredictBody() = default;

absl::StatusOr<PredictBody> PredictBody::Parse(base::Buffer body) {
  BATON_ASSIGN_OR_RETURN(RequestBody read, ReadRequestBody(body, kMaxDepth));
  return PredictBody(std::make_unique<Parsed>(Parsed{std::move(read)}));
}

std::string_view PredictBody::signature_name() const { return parsed_->signature_name; }

absl::StatusOr<PredictBody::Decoded> PredictBody::Decode(const Signature& signature) const {
  const JsonTape& tape = parsed_->tape;
  if (signature.inputs.empty()) {
    return absl::InvalidArgumentError(
        base::StrCat("Failed to get input map for signature: ",
                     signature_name().empty() ? "DEFAULT" : signature_name()));
  }
  const size_t instances = tape.Find(0, "instances");
  const size_t inputs = tape.Find(0, "inputs");
  if (instances != 0 && inputs != 0) {
    return WrongDocument(tape,
                         "Not formatted correctly expecting only one of 'inputs' or 'instances' "
                         "keys to exist ");
  }
  if (instances == 0 && inputs == 0) {
    return absl::InvalidArgumentError("Missing 'inputs' or 'instances' key");
  }
  Decoded decoded;
  if (instances != 0) {
    if (!tape.is_array(instances)) {
      return WrongDocument(tape, "Expecting 'instances' to be an list/array");
    }
    if (tape.count(instances) == 0) return WrongDocument(tape, "No values in 'instances' array");
    decoded.format = Format::kRow;
    BATON_ASSIGN_OR_RETURN(decoded.request.inputs, RowReader(tape, instances, signature).Read());
  } else {
    decoded.format = Format::kColumnar;
    BATON_ASSIGN_OR_RETURN(decoded.request.inputs, ReadColumns(tape, inputs, signature));
  }
  decoded.request.signature = &signature;
  decoded.request.input_ports.resize(signature.inputs.size());
  std::iota(decoded.request.input_ports.begin(), decoded.request.input_ports.end(), 0u);
  decoded.request.output_ports.resize(signature.outputs.size());
  std::iota(decoded.request.output_ports.begin(), decoded.request.output_ports.end(), 0u);
  return decoded;
}

}  // namespace baton::codec::rest
