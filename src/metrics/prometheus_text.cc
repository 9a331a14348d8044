#include "metrics/prometheus_text.h"

#include <charconv>
#include <cmath>

#include "base/strings.h"

namespace baton::metrics {
namespace {

// Length of the well-formed UTF-8 sequence that `text` starts with, 0 when there is none (RFC 3629,
// table 3-7 of Unicode: no overlong forms, no surrogates). REQUIRES: text is not empty.
size_t Utf8Length(std::string_view text) {
  const auto at = [&](size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto tail = [&](size_t i) { return (at(i) & 0xC0u) == 0x80u; };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return tail(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool second =
        tail(1) && !(first == 0xE0 && at(1) < 0xA0) && !(first == 0xED && at(1) > 0x9F);
    return second && tail(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool second =
        tail(1) && !(first == 0xF0 && at(1) < 0x90) && !(first == 0xF4 && at(1) > 0x8F);
    return second && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

void AppendEscaped(std::string_view text, bool quotes, std::string& out) {
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      text.remove_prefix(1);
      continue;
    }
    if (text[0] == '\\') {
      out += "\\\\";
    } else if (text[0] == '\n') {
      out += "\\n";
    } else if (text[0] == '"' && quotes) {
      out += "\\\"";
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
}

void AppendNumber(double value, std::string& out) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else if (value == std::floor(value) && std::fabs(value) < 1e15) {
    base::StrAppend(&out, static_cast<int64_t>(value));  // 100000, not 1e+05
  } else {
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
    out.append(digits, end);
  }
}

void AppendName(std::string_view name, std::string_view suffix, std::string_view label_text,
                std::string_view more_labels, std::string& out) {
  base::StrAppend(&out, name, suffix);
  if (!label_text.empty() || !more_labels.empty()) {
    const bool both = !label_text.empty() && !more_labels.empty();
    base::StrAppend(&out, "{", label_text, both ? "," : "", more_labels, "}");
  }
  out += ' ';
}

}  // namespace

std::string LabelText(const std::vector<std::pair<std::string, std::string>>& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    if (!out.empty()) out += ',';
    base::StrAppend(&out, name, "=\"");
    AppendEscaped(value, /*quotes=*/true, out);
    out += '"';
  }
  return out;
}

void AppendHead(std::string_view family, std::string_view help, std::string_view type,
                std::string& out) {
  base::StrAppend(&out, "# HELP ", family, " ");
  AppendEscaped(help, /*quotes=*/false, out);
  base::StrAppend(&out, "\n# TYPE ", family, " ", type, "\n");
}

void AppendSample(std::string_view name, std::string_view label_text, double value,
                  std::string& out) {
  AppendName(name, "", label_text, "", out);
  AppendNumber(value, out);
  out += '\n';
}

void AppendHistogram(std::string_view family, std::string_view label_text,
                     const Histogram::Snapshot& histogram, std::string& out) {
  int64_t cumulative = 0;
  for (size_t i = 0; i < histogram.counts.size(); ++i) {
    cumulative += histogram.counts[i];
    std::string le = "le=\"";
    if (i < histogram.bounds.size()) {
      AppendNumber(histogram.bounds[i], le);
    } else {
      le += "+Inf";
    }
    le += '"';
    AppendName(family, "_bucket", label_text, le, out);
    base::StrAppend(&out, cumulative, "\n");
  }
  AppendName(family, "_sum", label_text, "", out);
  AppendNumber(histogram.sum, out);
  out += '\n';
  AppendName(family, "_count", label_text, "", out);
  base::StrAppend(&out, histogram.count, "\n");
}

}  // namespace baton::metrics
