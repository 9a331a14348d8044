#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace baton::predict {

// Which model, version and signature a request wants. Views into the request.
struct ModelSpec {
  std::string_view name = {};
  std::optional<int64_t> version = {};         // present and zero is version 0
  std::optional<std::string_view> label = {};  // present and empty is a label
  std::string_view signature_name = {};        // empty: serving_default
};

}  // namespace baton::predict
