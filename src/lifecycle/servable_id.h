#pragma once

#include <cstdint>
#include <string>

namespace baton::lifecycle {

// A model's name and one of its versions.
struct ServableId {
  std::string name;
  int64_t version = 0;

  // "{name: m version: 3}", as log lines and errors print it.
  std::string DebugString() const;
  auto operator<=>(const ServableId&) const = default;
};

}  // namespace baton::lifecycle
