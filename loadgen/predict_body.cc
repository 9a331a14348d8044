#include "loadgen/predict_body.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string_view>

#include "absl/strings/str_format.h"
#include "base/json_escape.h"
#include "base/strings.h"

namespace baton::loadgen {
namespace {

// Little-endian is the wire's order and every host's we run on.
static_assert(std::endian::native == std::endian::little);

void AppendVarint(uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) {
    out.push_back(static_cast<char>(value | 0x80));
  }
  out.push_back(static_cast<char>(value));
}

void AppendVarintField(int number, uint64_t value, std::string& out) {
  AppendVarint(static_cast<uint64_t>(number) << 3, out);
  AppendVarint(value, out);
}

void AppendBytesField(int number, std::string_view bytes, std::string& out) {
  AppendVarint(static_cast<uint64_t>(number) << 3 | 2, out);
  AppendVarint(bytes.size(), out);
  out.append(bytes);
}

size_t Elements(const PredictCall& call) {
  size_t count = 1;
  for (const int64_t size : call.shape) {
    count *= static_cast<size_t>(std::max<int64_t>(size, 0));
  }
  return call.values.empty() ? 0 : count;
}

std::string TensorBytes(const PredictCall& call) {
  constexpr int kDtFloat = 1;
  std::string shape;
  for (const int64_t size : call.shape) {
    std::string dimension;
    AppendVarintField(1, static_cast<uint64_t>(size), dimension);
    AppendBytesField(2, dimension, shape);
  }
  std::string floats(Elements(call) * sizeof(float), '\0');
  for (size_t i = 0; i < floats.size() / sizeof(float); ++i) {
    std::memcpy(floats.data() + i * sizeof(float), &call.values[i % call.values.size()],
                sizeof(float));
  }
  std::string tensor;
  AppendVarintField(1, kDtFloat, tensor);  // dtype
  AppendBytesField(2, shape, tensor);      // tensor_shape
  AppendBytesField(5, floats, tensor);     // float_val, packed
  return tensor;
}

// The nested lists of the dimensions from `depth` on; `next` counts the elements written.
void AppendRows(const PredictCall& call, size_t depth, size_t& next, std::string& out) {
  if (depth == call.shape.size()) {
    absl::StrAppendFormat(&out, "%.9g", call.values[next++ % call.values.size()]);
    return;
  }
  out.push_back('[');
  for (int64_t i = 0; i < call.shape[depth]; ++i) {
    out.append(i == 0 ? "" : ", ");
    AppendRows(call, depth + 1, next, out);
  }
  out.push_back(']');
}

}  // namespace

std::string PredictRequestBytes(const PredictCall& call) {
  std::string spec;
  AppendBytesField(1, call.model, spec);
  if (call.version.has_value()) {
    std::string version;
    AppendVarintField(1, static_cast<uint64_t>(*call.version), version);
    AppendBytesField(2, version, spec);
  }
  if (!call.signature.empty()) {
    AppendBytesField(3, call.signature, spec);
  }
  std::string entry;
  AppendBytesField(1, call.input, entry);
  AppendBytesField(2, TensorBytes(call), entry);
  std::string request;
  AppendBytesField(1, spec, request);
  AppendBytesField(2, entry, request);
  return request;
}

std::string PredictJson(const PredictCall& call) {
  std::string json = "{";
  if (!call.signature.empty()) {
    json += "\"signature_name\": \"";
    base::AppendJsonEscaped(call.signature, json);
    json += "\", ";
  }
  json += "\"instances\": [";
  size_t next = 0;
  const int64_t rows = call.shape.empty() || Elements(call) == 0 ? 0 : call.shape[0];
  for (int64_t row = 0; row < rows; ++row) {
    json += row == 0 ? "" : ", ";
    if (!call.input.empty()) {
      json += "{\"";
      base::AppendJsonEscaped(call.input, json);
      json += "\": ";
    }
    AppendRows(call, 1, next, json);
    json += call.input.empty() ? "" : "}";
  }
  json += "]}";
  return json;
}

std::string PredictUrl(const PredictCall& call) {
  const std::string version =
      call.version.has_value() ? base::StrCat("/versions/", *call.version) : std::string();
  return base::StrCat("/v1/models/", call.model, version, ":predict");
}

}  // namespace baton::loadgen
