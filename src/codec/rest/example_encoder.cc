#include "codec/rest/answer_text.h"
#include "codec/rest/example_codec.h"
#include "codec/rest/number_text.h"

namespace baton::codec::rest {
namespace {

constexpr std::string_view kHead = "{\n    \"results\": [";

void PutFloat(float value, AnswerText& out) {
  char* const room = out.Room(kNumberRoom);
  out.Commit(WriteFloat(value, room));
}

}  // namespace

absl::StatusOr<base::Buffer> EncodeClassifications(const predict::Classifications& result) {
  if (result.examples == 0) {
    return absl::InvalidArgumentError("Cannot convert empty ClassificationResults to JSON");
  }
  size_t guess = 64 + result.examples * (4 + result.classes * 20);
  for (const tensor::StringRef& label : result.labels) guess += label.size;
  AnswerText out(guess);
  out.Put(kHead);
  size_t i = 0;
  for (size_t row = 0; row < result.examples; ++row) {
    out.Put(row > 0 ? ", [" : "[");
    for (size_t column = 0; column < result.classes; ++column, ++i) {
      out.Put(column > 0 ? ", [" : "[");
      out.PutString(result.labels.empty() ? std::string_view() : result.labels[i].view());
      out.Put(", ");
      PutFloat(result.scores.empty() ? 0 : result.scores[i], out);
      out.Put(']');
    }
    out.Put(']');
  }
  out.Put("\n    ]\n}");
  return std::move(out).Finish();
}

absl::StatusOr<base::Buffer> EncodeRegressions(const predict::Regressions& result) {
  if (result.values.empty()) {
    return absl::InvalidArgumentError("Cannot convert empty RegressionResults to JSON");
  }
  AnswerText out(64 + result.values.size() * 14);
  out.Put(kHead);
  for (size_t i = 0; i < result.values.size(); ++i) {
    if (i > 0) out.Put(", ");
    PutFloat(result.values[i], out);
  }
  out.Put("]\n}");
  return std::move(out).Finish();
}

}  // namespace baton::codec::rest
