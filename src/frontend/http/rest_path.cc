#include "frontend/http/rest_path.h"

#include <charconv>

namespace baton::frontend::http {
namespace {

bool EqualsIgnoreCase(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] + 32) : text[i];
    if (c != lower[i]) return false;
  }
  return true;
}

// Drops `lower` from the front of `text`, in any letter case.
bool ConsumePrefix(std::string_view& text, std::string_view lower) {
  if (text.size() < lower.size() || !EqualsIgnoreCase(text.substr(0, lower.size()), lower)) {
    return false;
  }
  text.remove_prefix(lower.size());
  return true;
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// libcurl's rules: a '%' without two hex digits stays, '+' stays.
std::string PercentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexValue(text[i + 1]) >= 0 &&
        HexValue(text[i + 2]) >= 0) {
      out += static_cast<char>(HexValue(text[i + 1]) * 16 + HexValue(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// One or more characters other than '/' and ':'.
std::string_view ConsumeWord(std::string_view& text) {
  const size_t end = text.find_first_of("/:");
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(word.size());
  return word;
}

enum class PartResult { kNone, kOk, kTooLarge };

// "/versions/DIGITS" or "/labels/LABEL" at the front; kNone leaves `text` alone.
PartResult ConsumeVersionPart(std::string_view& text, RestPath& path) {
  std::string_view rest = text;
  if (ConsumePrefix(rest, "/versions/")) {
    const size_t end = rest.find_first_not_of("0123456789");
    const std::string_view digits = rest.substr(0, end);
    if (digits.empty()) return PartResult::kNone;
    rest.remove_prefix(digits.size());
    int64_t version = 0;
    const auto [at, error] = std::from_chars(digits.data(), digits.data() + digits.size(), version);
    text = rest;
    if (error != std::errc()) return PartResult::kTooLarge;
    path.version = version;
    return PartResult::kOk;
  }
  rest = text;
  if (ConsumePrefix(rest, "/labels/")) {
    const std::string_view label = ConsumeWord(rest);
    if (label.empty()) return PartResult::kNone;
    path.label = PercentDecode(label);
    text = rest;
    return PartResult::kOk;
  }
  return PartResult::kNone;
}

bool ParseInference(std::string_view rest, RestPath& path) {
  if (!ConsumePrefix(rest, "/")) return false;
  const std::string_view name = ConsumeWord(rest);
  if (name.empty()) return false;
  const PartResult part = ConsumeVersionPart(rest, path);
  if (!ConsumePrefix(rest, ":")) return false;
  if (!EqualsIgnoreCase(rest, "predict") && !EqualsIgnoreCase(rest, "classify") &&
      !EqualsIgnoreCase(rest, "regress")) {
    return false;
  }
  path.name = PercentDecode(name);
  path.verb = std::string(rest);
  path.kind =
      part == PartResult::kTooLarge ? RestPath::Kind::kVersionTooLarge : RestPath::Kind::kInference;
  // The grammar takes the verb in any case; the comparison behind it does not (§4.2).
  if (path.kind == RestPath::Kind::kInference && rest != "predict" && rest != "classify" &&
      rest != "regress") {
    return false;
  }
  return true;
}

// optional /NAME, optional version part, optional /metadata. The optional parts are matched
// greedily with backing up, as a regular expression does: "/versions/1" alone is a version part
// without a name, "/versions" a model's name.
bool ParseQuery(std::string_view rest, RestPath& path) {
  for (const bool with_name : {true, false}) {
    std::string_view at = rest;
    RestPath candidate;
    if (with_name) {
      if (!ConsumePrefix(at, "/")) continue;
      const std::string_view name = ConsumeWord(at);
      if (name.empty()) continue;
      candidate.name = PercentDecode(name);
    }
    const PartResult part = ConsumeVersionPart(at, candidate);
    candidate.kind = RestPath::Kind::kStatus;
    if (!at.empty()) {
      if (!EqualsIgnoreCase(at, "/metadata")) continue;
      if (at == "/metadata") candidate.kind = RestPath::Kind::kMetadata;
    }
    if (part == PartResult::kTooLarge) candidate.kind = RestPath::Kind::kVersionTooLarge;
    path = std::move(candidate);
    return true;
  }
  return false;
}

}  // namespace

RestPath ParseRestPath(std::string_view method, std::string_view target) {
  RestPath path;
  std::string_view rest = target;
  if (!ConsumePrefix(rest, "/v1/")) return path;
  path.kind = RestPath::Kind::kMalformed;
  if (method == "OPTIONS") {
    path.kind = RestPath::Kind::kPreflight;
    return path;
  }
  if (!ConsumePrefix(rest, "models")) return path;
  RestPath parsed;
  if (method == "POST" && ParseInference(rest, parsed)) return parsed;
  if (method == "GET" && ParseQuery(rest, parsed)) return parsed;
  return path;
}

}  // namespace baton::frontend::http
