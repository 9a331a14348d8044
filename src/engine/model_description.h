#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "baton/engine_abi.h"
#include "engine/signature.h"

namespace baton::engine {

// Where the plug-in's own numbering of a signature and its ports went when the host sorted them by
// name.
struct EnginePorts {
  uint32_t signature = 0;
  std::vector<uint32_t> inputs;   // by the host's port index
  std::vector<uint32_t> outputs;  // by the host's port index
};

// What a plug-in says about a loaded model, copied and checked.
struct ModelDescription {
  SignatureTable signatures;
  std::vector<EnginePorts> engine_ports;  // by Signature::index
  uint64_t memory_bytes = 0;
  uint32_t max_instances = 0;
  std::string signature_def_map;
};

// kInternal with the reason when the description cannot be used.
absl::StatusOr<ModelDescription> ReadDescription(const baton_model_description* description);

}  // namespace baton::engine
