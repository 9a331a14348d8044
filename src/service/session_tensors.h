#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/signature.h"

namespace baton::service {

// The tensors of a SessionRun call, found among what the model's signatures declare: a run by graph
// names reaches no other part of the graph. "x" means "x:0".
//
// `aliases_of`: names are that signature's keys instead; null: names of the graph. Pure. Errors:
// kInvalidArgument naming the tensor that no signature has, or that is there twice.
struct SessionTensors {
  std::vector<uint32_t> ports;
  std::vector<const engine::Signature*> signatures;  // same length
};
absl::StatusOr<SessionTensors> FindFeeds(const engine::SignatureTable& signatures,
                                         const engine::Signature* aliases_of,
                                         std::span<const std::string_view> names);
absl::StatusOr<SessionTensors> FindFetches(const engine::SignatureTable& signatures,
                                           const engine::Signature* aliases_of,
                                           std::span<const std::string_view> names);

}  // namespace baton::service
