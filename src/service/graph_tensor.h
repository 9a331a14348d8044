#pragma once

#include <string_view>

namespace baton::service {

// Whether two names mean one tensor of a graph: "x" is "x:0". A tensor without a name (sparse,
// composite) is no other's equal.
inline bool IsSameGraphTensor(std::string_view a, std::string_view b) {
  constexpr std::string_view kFirstOutput = ":0";
  if (a.ends_with(kFirstOutput)) a.remove_suffix(kFirstOutput.size());
  if (b.ends_with(kFirstOutput)) b.remove_suffix(kFirstOutput.size());
  return !a.empty() && a == b;
}

}  // namespace baton::service
