// Any request line gives one of the kinds, and what the kind promises.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "frontend/http/rest_path.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using baton::frontend::http::ParseRestPath;
  using baton::frontend::http::RestPath;
  const std::string_view target(reinterpret_cast<const char*>(data), size);
  for (const std::string_view method : {"GET", "POST", "OPTIONS", "HEAD"}) {
    const RestPath path = ParseRestPath(method, target);
    const bool asks_a_model = path.kind == RestPath::Kind::kInference ||
                              path.kind == RestPath::Kind::kStatus ||
                              path.kind == RestPath::Kind::kMetadata;
    if (path.kind == RestPath::Kind::kInference &&
        (method != "POST" || path.name.empty() ||
         (path.verb != "predict" && path.verb != "classify" && path.verb != "regress"))) {
      std::abort();
    }
    if (path.version && path.label) std::abort();
    if (asks_a_model && path.name.size() > size) std::abort();
  }
  return 0;
}
