#include "server/flags.h"

#include <charconv>
#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "base/strings.h"

namespace baton::server {
namespace {

// sscanf's leniency: leading white space and one sign; nothing behind the digits.
template <typename T>
bool ReadInteger(std::string_view text, T* target) {
  while (!text.empty() && absl::ascii_isspace(static_cast<unsigned char>(text.front()))) {
    text.remove_prefix(1);
  }
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  *target = value;
  return true;
}

bool ReadFloat(std::string_view text, float* target) {
  const std::string copy(text);
  char* end = nullptr;
  const float value = std::strtof(copy.c_str(), &end);
  if (copy.empty() || *end != '\0') return false;
  *target = value;
  return true;
}

bool ReadBool(std::string_view text, bool* target) {
  const std::string lower = absl::AsciiStrToLower(base::ToAbsl(text));
  if (lower != "true" && lower != "false" && lower != "1" && lower != "0") return false;
  *target = lower == "true" || lower == "1";
  return true;
}

constexpr std::string_view kTypeNames[] = {"int32", "int64", "bool", "float", "string"};

}  // namespace

void FlagSet::Add(std::string name, Type type, void* target, std::string help,
                  std::string default_text) {
  flags_.push_back({std::move(name), type, target, std::move(help), std::move(default_text)});
}
void FlagSet::Add(std::string name, int32_t* target, std::string help) {
  Add(std::move(name), Type::kInt32, target, std::move(help), std::to_string(*target));
}
void FlagSet::Add(std::string name, int64_t* target, std::string help) {
  Add(std::move(name), Type::kInt64, target, std::move(help), std::to_string(*target));
}
void FlagSet::Add(std::string name, bool* target, std::string help) {
  Add(std::move(name), Type::kBool, target, std::move(help), *target ? "true" : "false");
}
void FlagSet::Add(std::string name, float* target, std::string help) {
  Add(std::move(name), Type::kFloat, target, std::move(help), absl::StrFormat("%f", *target));
}
void FlagSet::Add(std::string name, std::string* target, std::string help) {
  Add(std::move(name), Type::kString, target, std::move(help), base::StrCat("\"", *target, "\""));
}

void FlagSet::ShowDefault(std::string_view name, std::string text) {
  for (Flag& flag : flags_) {
    if (flag.name == name) flag.default_text = text;
  }
}

FlagSet::Match FlagSet::Apply(const Flag& flag, std::string_view argument, std::string* bad_value) {
  if (!argument.starts_with("--")) return Match::kNo;
  argument.remove_prefix(2);
  if (!argument.starts_with(flag.name)) return Match::kNo;
  argument.remove_prefix(flag.name.size());
  if (flag.type == Type::kBool) {
    if (argument.empty()) {
      *static_cast<bool*>(flag.target) = true;
      return Match::kYes;
    }
    if (argument.front() != '=') return Match::kNo;
    // The original reports a bad bool with its '='.
    *bad_value = std::string(argument);
    return ReadBool(argument.substr(1), static_cast<bool*>(flag.target)) ? Match::kYes
                                                                         : Match::kBadValue;
  }
  if (argument.empty() || argument.front() != '=') return Match::kNo;
  argument.remove_prefix(1);
  *bad_value = std::string(argument);
  bool read = true;
  switch (flag.type) {
    case Type::kInt32:
      read = ReadInteger(argument, static_cast<int32_t*>(flag.target));
      break;
    case Type::kInt64:
      read = ReadInteger(argument, static_cast<int64_t*>(flag.target));
      break;
    case Type::kFloat:
      read = ReadFloat(argument, static_cast<float*>(flag.target));
      break;
    default:
      *static_cast<std::string*>(flag.target) = std::string(argument);
      break;
  }
  return read ? Match::kYes : Match::kBadValue;
}

FlagSet::Result FlagSet::Parse(const std::vector<std::string>& arguments) {
  Result result;
  bool stopped = false;
  for (const std::string& argument : arguments) {
    stopped |= argument == "--";
    if (stopped) {
      result.unknown.push_back(argument);
      continue;
    }
    Match match = Match::kNo;
    for (const Flag& flag : flags_) {
      std::string bad_value;
      match = Apply(flag, argument, &bad_value);
      if (match == Match::kBadValue) {
        result.ok = false;
        result.errors.push_back(
            base::StrCat("Couldn't interpret value ", bad_value, " for flag ", flag.name, "."));
      }
      if (match != Match::kNo) break;
    }
    if (match == Match::kNo) result.unknown.push_back(argument);
  }
  return result;
}

std::string FlagSet::Usage(std::string_view argv0) const {
  std::string out = base::StrCat("usage: ", argv0, "\nFlags:\n");
  for (const Flag& flag : flags_) {
    const std::string assignment = base::StrCat("--", flag.name, "=", flag.default_text);
    absl::StrAppendFormat(&out, "\t%-33s\t%s\t%s\n", assignment,
                          kTypeNames[static_cast<int>(flag.type)], flag.help);
  }
  return out;
}

}  // namespace baton::server
