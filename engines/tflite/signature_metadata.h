#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "baton/engine_sdk.h"

namespace baton::tflite_engine {

// A tensorflow.SignatureDef, as far as serving goes.
struct DeclaredSignature {
  struct Port {
    std::string tensor_name;
    int32_t dtype = 0;
    std::optional<std::vector<int64_t>> dims = std::vector<int64_t>();  // nullopt: unknown rank
  };
  std::string method_name;
  std::map<std::string, Port> inputs, outputs;
};

// Reads the metadata entry "signature_defs_metadata": a flexbuffer, a map of serialized
// SignatureDefs by name. INVALID_ARGUMENT when it is none.
sdk::Result<std::map<std::string, DeclaredSignature>> ReadSignatureMetadata(std::string_view bytes);

}  // namespace baton::tflite_engine
