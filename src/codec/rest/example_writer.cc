#include "codec/rest/example_writer.h"

#include <bit>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "base/wire_writer.h"
#include "codec/rest/base64.h"
#include "codec/rest/rapidjson_text.h"

namespace baton::codec::rest {
namespace {

using base::BytesFieldSize;
using base::VarintSize;
using base::WriteBytesField;
using base::WriteBytesTag;

absl::Status UnexpectedType(std::string_view feature_name, JsonKind kind) {
  return absl::InvalidArgumentError(base::StrCat(
      "Feature: ", feature_name, " has element with unexpected JSON type: ", TypeName(kind)));
}

}  // namespace

size_t ExampleWriter::Feature::list_bytes() const {
  return kind == Kind::kBytes ? payload_bytes : BytesFieldSize(1, payload_bytes);
}

size_t ExampleWriter::Feature::feature_bytes() const {
  return kind == Kind::kNone ? 0 : BytesFieldSize(static_cast<uint32_t>(kind), list_bytes());
}

size_t ExampleWriter::Feature::entry_bytes() const {
  return BytesFieldSize(1, name.size()) + BytesFieldSize(2, feature_bytes());
}

absl::Status ExampleWriter::Add(size_t at) {
  if (!tape_.is_object(at)) {
    return absl::InvalidArgumentError(
        base::StrCat("Example must be JSON object but got JSON ", TypeName(tape_.kind(at))));
  }
  Example example;
  const size_t end = tape_.next(at);
  for (size_t key = at + 2; key < end; key = tape_.next(key + 2)) {
    Feature feature;
    BATON_RETURN_IF_ERROR(AddFeature(key, &feature));
    example.features_bytes += BytesFieldSize(1, feature.entry_bytes());
    features_.push_back(feature);
  }
  example.end = features_.size();
  examples_.push_back(example);
  return absl::OkStatus();
}

absl::Status ExampleWriter::AddFeature(size_t key, Feature* feature) {
  feature->name = TextAt(key);
  const size_t value = key + 2;
  feature->values = value;
  const size_t end = tape_.next(value);
  if (tape_.is_array(value)) feature->values += 2;
  for (size_t at = feature->values; at < end; at = tape_.next(at)) {
    BATON_RETURN_IF_ERROR(AddValue(at, feature));
  }
  if (feature->kind == Kind::kBytes) feature->values = texts_.size() - feature->count;
  return absl::OkStatus();
}

absl::Status ExampleWriter::AddValue(size_t at, Feature* feature) {
  BATON_ASSIGN_OR_RETURN(const Kind kind, KindOf(at, feature->name));
  if (feature->kind != Kind::kNone && feature->kind != kind) {
    static constexpr std::string_view kNames[] = {"UNKNOWN", "bytes", "float", "int64"};
    return absl::InvalidArgumentError(
        base::StrCat("Unexpected element type in feature: ", feature->name,
                     " expecting type: ", kNames[static_cast<size_t>(feature->kind)]));
  }
  feature->kind = kind;
  ++feature->count;
  switch (tape_.kind(at)) {
    case JsonKind::kDouble:
      feature->payload_bytes += sizeof(float);
      break;
    case JsonKind::kTrue:
    case JsonKind::kFalse:
      feature->payload_bytes += 1;
      break;
    case JsonKind::kString:
      texts_.push_back(TextAt(at));
      feature->payload_bytes += BytesFieldSize(1, texts_.back().size());
      break;
    case JsonKind::kObject: {
      BATON_ASSIGN_OR_RETURN(const std::string_view text, Base64At(at + 4));
      texts_.push_back(text);
      feature->payload_bytes += BytesFieldSize(1, text.size());
      break;
    }
    default: {
      const JsonInteger value = tape_.integer_at(at);
      if (!value.negative && value.bits > uint64_t{std::numeric_limits<int64_t>::max()}) {
        return absl::InvalidArgumentError(base::StrCat(
            "Feature: ", feature->name, " has uint64_t element. Only int64_t is supported."));
      }
      feature->payload_bytes += VarintSize(value.bits);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<ExampleWriter::Kind> ExampleWriter::KindOf(size_t at,
                                                          std::string_view feature_name) const {
  const JsonKind kind = tape_.kind(at);
  switch (kind) {
    case JsonKind::kDouble:
      return Kind::kFloat;
    case JsonKind::kInt:
    case JsonKind::kBigInt:
    case JsonKind::kTrue:
    case JsonKind::kFalse:
      return Kind::kInt64;
    case JsonKind::kString:
      return Kind::kBytes;
    case JsonKind::kObject:
      if (tape_.is_base64_object(at)) return Kind::kBytes;
      break;
    case JsonKind::kNull:
    case JsonKind::kArray:
      break;
  }
  return UnexpectedType(feature_name, kind);
}

std::string_view ExampleWriter::TextAt(size_t at) {
  return tape_.has_escapes(at) ? Keep(tape_.string_at(at)) : tape_.raw_string(at);
}

absl::StatusOr<std::string_view> ExampleWriter::Base64At(size_t at) {
  const std::string_view text = TextAt(at);
  std::string bytes(text.size(), '\0');
  const ptrdiff_t size = DecodeBase64(text, bytes.data());
  if (size < 0) return absl::InvalidArgumentError("Unable to base64 decode");
  bytes.resize(static_cast<size_t>(size));
  return Keep(std::move(bytes));
}

std::string_view ExampleWriter::Keep(std::string text) {
  return kept_.emplace_back(base::Buffer::FromString(std::move(text))).view();
}

size_t ExampleWriter::bytes(size_t example) const {
  const size_t features_bytes = examples_[example].features_bytes;
  return features_bytes == 0 ? 0 : BytesFieldSize(1, features_bytes);
}

char* ExampleWriter::Write(size_t example, char* to) const {
  const size_t begin = example == 0 ? 0 : examples_[example - 1].end;
  const size_t end = examples_[example].end;
  if (begin == end) return to;
  to = WriteBytesTag(1, examples_[example].features_bytes, to);
  for (size_t i = begin; i < end; ++i) to = WriteFeature(features_[i], to);
  return to;
}

// An entry of the map from names to Features.
char* ExampleWriter::WriteFeature(const Feature& feature, char* to) const {
  to = WriteBytesTag(1, feature.entry_bytes(), to);
  to = WriteBytesField(1, feature.name, to);
  to = WriteBytesTag(2, feature.feature_bytes(), to);
  if (feature.kind == Kind::kNone) return to;
  to = WriteBytesTag(static_cast<uint32_t>(feature.kind), feature.list_bytes(), to);
  if (feature.kind != Kind::kBytes) return WriteNumbers(feature, to);
  for (size_t i = 0; i < feature.count; ++i) {
    to = WriteBytesField(1, texts_[feature.values + i], to);
  }
  return to;
}

// Packed. Every number takes one entry of the tape.
char* ExampleWriter::WriteNumbers(const Feature& feature, char* to) const {
  to = WriteBytesTag(1, feature.payload_bytes, to);
  for (size_t at = feature.values; at < feature.values + feature.count; ++at) {
    switch (tape_.kind(at)) {
      case JsonKind::kDouble: {
        const auto value = static_cast<float>(tape_.double_at(at));
        std::memcpy(to, &value, sizeof(value));
        to += sizeof(value);
        break;
      }
      case JsonKind::kTrue:
      case JsonKind::kFalse:
        *to++ = tape_.kind(at) == JsonKind::kTrue ? 1 : 0;
        break;
      default:
        to = base::WriteVarint(tape_.integer_at(at).bits, to);
    }
  }
  return to;
}

}  // namespace baton::codec::rest
