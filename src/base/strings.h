#pragma once

// Debian's Abseil is built for C++14: its string_view is a type of its own and does not convert
// from or to std::string_view. The project speaks std::string_view; these few names are the bridge.
// Use base::StrCat, never absl::StrCat; absl::StrFormat takes std::string_view with %s as it is.

#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace baton::base {

inline absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view ToStd(absl::string_view text) { return {text.data(), text.size()}; }

// status.message() as a view; valid as long as the status.
inline std::string_view Message(const absl::Status& status) { return ToStd(status.message()); }

// "INVALID_ARGUMENT", as clients and metrics know it; a number for a code that has no name.
inline std::string CodeName(absl::StatusCode code) { return absl::StatusCodeToString(code); }

namespace strings_internal {
template <typename T>
decltype(auto) Piece(const T& value) {
  if constexpr (std::is_same_v<T, std::string_view>) {
    return ToAbsl(value);
  } else {
    return (value);
  }
}
}  // namespace strings_internal

template <typename... Args>
std::string StrCat(const Args&... args) {
  return absl::StrCat(strings_internal::Piece(args)...);
}

template <typename... Args>
void StrAppend(std::string* out, const Args&... args) {
  absl::StrAppend(out, strings_internal::Piece(args)...);
}

// Transparent hash: look up a std::string key by std::string_view without making a string.
struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
template <typename V>
using StringMap = std::unordered_map<std::string, V, StringHash, std::equal_to<>>;

}  // namespace baton::base
