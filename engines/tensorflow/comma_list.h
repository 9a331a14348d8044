#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace baton::tf_engine {

// "a,b,,c" -> {"a", "b", "c"}.
inline std::vector<std::string> SplitAtCommas(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    if (comma > 0) items.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return items;
}

}  // namespace baton::tf_engine
