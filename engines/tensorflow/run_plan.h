#pragma once

#include <cstdint>
#include <vector>

#include "baton/engine_sdk.h"
#include "callables.h"
#include "served_signature.h"

namespace baton::tf_engine {

// What one run feeds and fetches, in the order of the callable that does it. Ports ascend, so that
// a run needs the same callable however the client orders its names; a tensor that several ports
// name is fetched once, and fed once when they bring the same value.
//
// Threads: confined to its instance, which keeps it as scratch memory from run to run. Errors:
// kInternal for a signature or port that the model has not.
class RunPlan {
 public:
  explicit RunPlan(const std::vector<ServedSignature>& signatures) : signatures_(signatures) {}

  sdk::Status Make(const baton_run& run);

  const CallableKey& key() const { return key_; }
  // Of key().inputs: what the run brings; null: the default value.
  const std::vector<const baton_tensor*>& sources() const { return sources_; }
  // Of the run's outputs: where in key().outputs.
  const std::vector<uint32_t>& positions() const { return positions_; }
  // Whether inputs may be used where they lie, by all signatures of the run.
  Inputs input_memory() const { return input_memory_; }

  const ServedPort& InputPort(size_t i) const {
    return signatures_[key_.inputs[i].signature].inputs[key_.inputs[i].port];
  }

 private:
  static constexpr uint32_t kUnwanted = UINT32_MAX;

  sdk::Status CollectSignatures(const baton_run& run);
  sdk::Status AddInputs(uint32_t signature, const baton_run& run);
  sdk::Status AddOutputs(uint32_t signature, const baton_run& run);
  bool IsFed(uint32_t tensor, const baton_tensor* source);
  uint32_t Fetch(uint32_t signature, uint32_t port);

  const std::vector<ServedSignature>& signatures_;
  CallableKey key_;
  std::vector<const baton_tensor*> sources_;
  std::vector<uint32_t> positions_;
  Inputs input_memory_ = Inputs::kCopied;
  // Scratch.
  std::vector<uint32_t> used_;                // signatures, ascending
  std::vector<const baton_tensor*> by_port_;  // of one signature; null: left out
  std::vector<uint32_t> fetch_;               // by port: position in key_.outputs, or kUnwanted
};

}  // namespace baton::tf_engine
