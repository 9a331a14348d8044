#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace baton::frontend::http {

// What a REST request line asks for (contract §4.2). Pure.
struct RestPath {
  enum class Kind {
    kInference,        // POST ...:predict, :classify, :regress
    kStatus,           // GET /v1/models/NAME...
    kMetadata,         // GET .../metadata
    kPreflight,        // OPTIONS under /v1/
    kMalformed,        // under /v1/, but no shape above: 400 "Malformed request: <METHOD> <path>"
    kVersionTooLarge,  // digits beyond int64: 400 with an empty body
    kNotRest,          // not under /v1/: 404
  };
  Kind kind = Kind::kNotRest;
  std::string name;  // percent-decoded; may be empty for GET
  std::optional<int64_t> version;
  std::optional<std::string> label;  // percent-decoded
  std::string verb;                  // "predict", as written
};

RestPath ParseRestPath(std::string_view method, std::string_view target);

}  // namespace baton::frontend::http
