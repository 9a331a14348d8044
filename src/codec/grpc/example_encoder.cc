#include <bit>
#include <cstdint>

#include "base/check.h"
#include "codec/grpc/example_codec.h"
#include "codec/grpc/model_spec_writer.h"
#include "codec/grpc/wire_writer.h"

namespace baton::codec::grpc {
namespace {

using predict::Classifications;
using predict::Regressions;

// A float whose bits are zero is not on the wire.
size_t FloatSize(float value) { return std::bit_cast<uint32_t>(value) == 0 ? 0 : 5; }

char* WriteFloat(uint32_t field, float value, char* to) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (bits == 0) return to;
  *to++ = static_cast<char>(field << 3 | 5);
  std::memcpy(to, &bits, sizeof(bits));
  return to + sizeof(bits);
}

// Writes a ClassificationResult: a list of Classifications, which are lists of Classes.
class ClassificationWriter {
 public:
  explicit ClassificationWriter(const Classifications& result) : result_(result) {
    for (size_t row = 0; row < result.examples; ++row) bytes_ += BytesFieldSize(1, RowBytes(row));
  }

  size_t size() const { return bytes_; }

  char* Write(char* to) const {
    for (size_t row = 0; row < result_.examples; ++row) {
      to = WriteBytesTag(1, RowBytes(row), to);
      for (size_t i = row * result_.classes; i < (row + 1) * result_.classes; ++i) {
        to = WriteBytesTag(1, ClassBytes(i), to);
        if (!Label(i).empty()) to = WriteBytesField(1, Label(i), to);
        to = WriteFloat(2, Score(i), to);
      }
    }
    return to;
  }

 private:
  std::string_view Label(size_t i) const {
    return result_.labels.empty() ? std::string_view() : result_.labels[i].view();
  }
  float Score(size_t i) const { return result_.scores.empty() ? 0 : result_.scores[i]; }

  size_t ClassBytes(size_t i) const {
    const std::string_view label = Label(i);
    return (label.empty() ? 0 : BytesFieldSize(1, label.size())) + FloatSize(Score(i));
  }
  size_t RowBytes(size_t row) const {
    size_t bytes = 0;
    for (size_t i = row * result_.classes; i < (row + 1) * result_.classes; ++i) {
      bytes += BytesFieldSize(1, ClassBytes(i));
    }
    return bytes;
  }

  const Classifications& result_;
  size_t bytes_ = 0;
};

// Writes a RegressionResult: a list of Regressions.
class RegressionWriter {
 public:
  explicit RegressionWriter(const Regressions& result) : result_(result) {
    for (const float value : result.values) bytes_ += BytesFieldSize(1, FloatSize(value));
  }

  size_t size() const { return bytes_; }

  char* Write(char* to) const {
    for (const float value : result_.values) {
      to = WriteFloat(1, value, WriteBytesTag(1, FloatSize(value), to));
    }
    return to;
  }

 private:
  const Regressions& result_;
  size_t bytes_ = 0;
};

// A response of one result and the spec.
template <typename Writer>
base::Buffer EncodeResponse(const lifecycle::ServableId& id, std::string_view signature_name,
                            const Writer& result, size_t prefix_bytes) {
  const size_t spec_bytes = ModelSpecSize(id, signature_name);
  base::Buffer block = base::Buffer::Allocate(prefix_bytes + BytesFieldSize(1, result.size()) +
                                              BytesFieldSize(2, spec_bytes));
  char* at = WriteBytesTag(1, result.size(), block.mutable_data() + prefix_bytes);
  at = result.Write(at);
  at = WriteModelSpec(id, signature_name, WriteBytesTag(2, spec_bytes, at));
  BATON_CHECK(at == block.data() + block.size());
  return block;
}

// One InferenceResult.
class TaskWriter {
 public:
  TaskWriter(const lifecycle::ServableId& id, const predict::TaskResult& result)
      : id_(id), signature_name_(result.signature_name) {
    if (const auto* classes = std::get_if<Classifications>(&result.value)) {
      classes_.emplace(*classes);
    } else {
      values_.emplace(std::get<Regressions>(result.value));
    }
  }

  size_t size() const {
    const size_t result_bytes =
        classes_ ? BytesFieldSize(2, classes_->size()) : BytesFieldSize(3, values_->size());
    return BytesFieldSize(1, ModelSpecSize(id_, signature_name_)) + result_bytes;
  }

  char* Write(char* to) const {
    to = WriteBytesTag(1, ModelSpecSize(id_, signature_name_), to);
    to = WriteModelSpec(id_, signature_name_, to);
    if (classes_) return classes_->Write(WriteBytesTag(2, classes_->size(), to));
    return values_->Write(WriteBytesTag(3, values_->size(), to));
  }

 private:
  const lifecycle::ServableId& id_;
  const std::string_view signature_name_;
  std::optional<ClassificationWriter> classes_;
  std::optional<RegressionWriter> values_;
};

}  // namespace

base::Buffer EncodeClassificationResponse(const lifecycle::ServableId& id,
                                          std::string_view signature_name,
                                          const Classifications& result, size_t prefix_bytes) {
  return EncodeResponse(id, signature_name, ClassificationWriter(result), prefix_bytes);
}

base::Buffer EncodeRegressionResponse(const lifecycle::ServableId& id,
                                      std::string_view signature_name, const Regressions& result,
                                      size_t prefix_bytes) {
  return EncodeResponse(id, signature_name, RegressionWriter(result), prefix_bytes);
}

base::Buffer EncodeMultiInferenceResponse(const lifecycle::ServableId& id,
                                          std::span<const predict::TaskResult> results,
                                          size_t prefix_bytes) {
  std::vector<TaskWriter> writers;
  writers.reserve(results.size());
  size_t bytes = prefix_bytes;
  for (const predict::TaskResult& result : results) {
    writers.emplace_back(id, result);
    bytes += BytesFieldSize(1, writers.back().size());
  }
  base::Buffer block = base::Buffer::Allocate(bytes);
  char* at = block.mutable_data() + prefix_bytes;
  for (const TaskWriter& writer : writers) at = writer.Write(WriteBytesTag(1, writer.size(), at));
  BATON_CHECK(at == block.data() + block.size());
  return block;
}

}  // namespace baton::codec::grpc
