#include <span>
#include <vector>

#include "base/json_escape.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "codec/rest/answer_text.h"
#include "codec/rest/number_text.h"
#include "codec/rest/predict_codec.h"

namespace baton::codec::rest {
namespace {

using engine::Port;
using tensor::DType;
using tensor::Tensor;

bool CanWrite(DType dtype) {
  switch (dtype) {
    case DType::kFloat:
    case DType::kDouble:
    case DType::kInt8:
    case DType::kInt16:
    case DType::kInt32:
    case DType::kInt64:
    case DType::kUint8:
    case DType::kUint32:
    case DType::kUint64:
    case DType::kBool:
    case DType::kString:
      return true;
    default:
      return false;
  }
}

char* WriteNumber(float value, char* out) { return WriteFloat(value, out); }
char* WriteNumber(double value, char* out) { return WriteDouble(value, out); }
char* WriteNumber(int64_t value, char* out) { return WriteSigned(value, out); }
char* WriteNumber(uint64_t value, char* out) { return WriteUnsigned(value, out); }
char* WriteNumber(int32_t value, char* out) { return WriteSigned(value, out); }
char* WriteNumber(int16_t value, char* out) { return WriteSigned(value, out); }
char* WriteNumber(int8_t value, char* out) { return WriteSigned(value, out); }
char* WriteNumber(uint32_t value, char* out) { return WriteUnsigned(value, out); }
char* WriteNumber(uint8_t value, char* out) { return WriteUnsigned(value, out); }
char* WriteNumber(bool value, char* out) {
  const std::string_view word = value ? "true" : "false";
  return out + word.copy(out, word.size());
}

// White space of a list: one line with ", ", or every element on a line of its own.
enum class Layout { kOneLine, kLines };

// Writes parts of one output tensor.
//
// Threads: confined to one. Owner: borrows everything.
class TensorText {
 public:
  TensorText(const Port& port, const Tensor& tensor, Layout layout, AnswerText& out)
      : tensor_(tensor), is_base64_(port.name.ends_with("_bytes")), layout_(layout), out_(out) {}

  // Writes the elements that stand behind those already written, as a value of the dimensions from
  // `dim` on. `level` is the depth of the value in the answer.
  void PutNext(size_t dim, size_t level) {
    const std::span<const int64_t> dims = tensor_.shape().dims().subspan(dim);
    if (tensor_.num_elements() == 0) return out_.Put("[]");
    if (dims.empty()) return PutRun(1, level);
    // Only lists above the last dimension are walked; `left` counts what they still lack.
    std::vector<int64_t> left;
    do {
      while (left.size() + 1 < dims.size()) {
        out_.Put('[');
        left.push_back(dims[left.size()]);
        Break(level + left.size());
      }
      PutList(dims.back(), level + left.size());
      while (!left.empty() && --left.back() == 0) {
        left.pop_back();
        Break(level + left.size());
        out_.Put(']');
      }
      if (!left.empty()) Comma(level + left.size());
    } while (!left.empty());
  }

 private:
  void Break(size_t level) {
    if (layout_ == Layout::kLines) out_.PutLine(level);
  }
  void Comma(size_t level) {
    out_.Put(',');
    if (layout_ == Layout::kLines) {
      out_.PutLine(level);
    } else {
      out_.Put(' ');
    }
  }

  // One innermost list.
  void PutList(int64_t count, size_t level) {
    out_.Put('[');
    Break(level + 1);
    PutRun(count, level + 1);
    Break(level);
    out_.Put(']');
  }

  // `count` elements with separators between them.
  void PutRun(int64_t count, size_t level) {
    switch (tensor_.dtype()) {
      case DType::kFloat:
        return PutNumbers<float>(count, level);
      case DType::kDouble:
        return PutNumbers<double>(count, level);
      case DType::kInt64:
        return PutNumbers<int64_t>(count, level);
      case DType::kInt32:
        return PutNumbers<int32_t>(count, level);
      case DType::kInt16:
        return PutNumbers<int16_t>(count, level);
      case DType::kInt8:
        return PutNumbers<int8_t>(count, level);
      case DType::kUint64:
        return PutNumbers<uint64_t>(count, level);
      case DType::kUint32:
        return PutNumbers<uint32_t>(count, level);
      case DType::kUint8:
        return PutNumbers<uint8_t>(count, level);
      case DType::kBool:
        return PutNumbers<bool>(count, level);
      default:
        return PutStrings(count, level);
    }
  }

  template <typename T>
  void PutNumbers(int64_t count, size_t level) {
    const T* value = reinterpret_cast<const T*>(tensor_.buffer().data()) + written_;
    written_ += count;
    const size_t gap = layout_ == Layout::kLines ? 2 + level * 4 : 2;
    for (const T* const end = value + count; value != end; ++value) {
      char* const room = out_.Room(kNumberRoom + gap);
      out_.Commit(WriteNumber(*value, room));
      if (value + 1 != end) Comma(level);
    }
  }

  void PutStrings(int64_t count, size_t level) {
    for (int64_t i = 0; i < count; ++i) {
      if (i > 0) Comma(level);
      const std::string_view text = tensor_.strings()[static_cast<size_t>(written_++)].view();
      if (!is_base64_) {
        out_.PutString(text);
        continue;
      }
      // Objects always take lines, even inside a list on one line.
      out_.Put('{');
      out_.PutLine(level + 1);
      out_.Put("\"b64\": ");
      out_.PutBase64(text);
      out_.PutLine(level);
      out_.Put('}');
    }
  }

  const Tensor& tensor_;
  const bool is_base64_;
  const Layout layout_;
  AnswerText& out_;
  int64_t written_ = 0;
};

using Outputs = std::vector<TensorText>;

// Bytes the answer will about take.
size_t Guess(const predict::PredictResponse& response, PredictBody::Format format) {
  size_t bytes = 128;
  for (const Tensor& tensor : response.outputs) {
    size_t each = 14;
    if (format == PredictBody::Format::kColumnar) each += 8 + tensor.shape().rank() * 4;
    bytes += static_cast<size_t>(tensor.num_elements()) * each;
    if (tensor.dtype() == DType::kString) {
      for (const tensor::StringRef& text : tensor.strings()) bytes += text.size + text.size / 2;
    }
  }
  return bytes;
}

absl::Status CheckTypes(const predict::PredictResponse& response) {
  for (const Tensor& tensor : response.outputs) {
    if (tensor.num_elements() > 0 && !CanWrite(tensor.dtype())) {
      return absl::InvalidArgumentError(base::StrCat("Failed to write JSON value for tensor type: ",
                                                     tensor::Name(tensor.dtype())));
    }
  }
  return absl::OkStatus();
}

// The number of rows all outputs agree on.
absl::StatusOr<int64_t> CountRows(std::span<const Port* const> ports,
                                  const predict::PredictResponse& response) {
  int64_t rows = 0;
  for (size_t i = 0; i < ports.size(); ++i) {
    const tensor::Shape& shape = response.outputs[i].shape();
    if (shape.rank() == 0) {
      return absl::InvalidArgumentError(
          base::StrCat("Tensor name: ", ports[i]->name, " has no shape information "));
    }
    if (i > 0 && shape.dim(0) != rows) {
      return absl::InvalidArgumentError(base::StrCat("Tensor name: ", ports[i]->name,
                                                     " has inconsistent batch size: ", shape.dim(0),
                                                     " expecting: ", rows));
    }
    rows = shape.dim(0);
  }
  return rows;
}

void PutRows(std::span<const Port* const> ports, Outputs& outputs, int64_t rows, AnswerText& out) {
  out.Put("{\n    \"predictions\": [");
  for (int64_t row = 0; row < rows; ++row) {
    if (outputs.size() == 1) {
      if (row > 0) out.Put(", ");
      outputs[0].PutNext(1, 2);
      continue;
    }
    out.Put(row > 0 ? ",\n        {" : "\n        {");
    for (size_t i = 0; i < outputs.size(); ++i) {
      out.Put(i > 0 ? ",\n            " : "\n            ");
      out.PutString(ports[i]->name);
      out.Put(": ");
      outputs[i].PutNext(1, 3);
    }
    out.Put("\n        }");
  }
  out.Put(rows > 0 ? "\n    ]\n}" : "]\n}");
}

void PutColumns(std::span<const Port* const> ports, Outputs& outputs, AnswerText& out) {
  out.Put("{\n    \"outputs\": ");
  if (outputs.size() == 1) {
    outputs[0].PutNext(0, 1);
    return out.Put("\n}");
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    out.Put(i > 0 ? ",\n        " : "{\n        ");
    out.PutString(ports[i]->name);
    out.Put(": ");
    outputs[i].PutNext(0, 2);
  }
  out.Put("\n    }\n}");
}

}  // namespace

absl::StatusOr<base::Buffer> EncodePredictResponse(const engine::Signature& signature,
                                                   const std::vector<uint32_t>& output_ports,
                                                   const predict::PredictResponse& response,
                                                   PredictBody::Format format) {
  if (response.outputs.empty()) {
    return absl::InvalidArgumentError("Cannot convert empty tensor map to JSON");
  }
  if (output_ports.size() != response.outputs.size()) {
    return absl::InternalError("Predict internal error");
  }
  std::vector<const Port*> ports;
  for (uint32_t port : output_ports) ports.push_back(&signature.outputs[port]);
  const bool is_row = format == PredictBody::Format::kRow;
  int64_t rows = 0;
  if (is_row) {
    BATON_ASSIGN_OR_RETURN(rows, CountRows(ports, response));
  }
  BATON_RETURN_IF_ERROR(CheckTypes(response));

  AnswerText out(Guess(response, format));
  Outputs outputs;
  outputs.reserve(ports.size());
  for (size_t i = 0; i < ports.size(); ++i) {
    outputs.emplace_back(*ports[i], response.outputs[i], is_row ? Layout::kOneLine : Layout::kLines,
                         out);
  }
  if (is_row) {
    PutRows(ports, outputs, rows, out);
  } else {
    PutColumns(ports, outputs, out);
  }
  return std::move(out).Finish();
}

std::string ErrorBody(std::string_view message) {
  std::string body = "{\n    \"error\": \"";
  base::AppendJsonEscaped(message, body);
  body += "\"\n}";
  return body;
}

}  // namespace baton::codec::rest
