#include "service/session_tensors.h"

#include "base/strings.h"
#include "service/graph_tensor.h"

namespace baton::service {
namespace {

using Ports = std::vector<engine::Port> engine::Signature::*;

bool Add(const engine::Signature& signature, Ports ports, bool is_alias, std::string_view name,
         SessionTensors* found) {
  const std::vector<engine::Port>& all = signature.*ports;
  for (uint32_t i = 0; i < all.size(); ++i) {
    const bool is_it = is_alias ? all[i].name == name : IsSameGraphTensor(all[i].tensor_name, name);
    if (!is_it) continue;
    found->ports.push_back(i);
    found->signatures.push_back(&signature);
    return true;
  }
  return false;
}

absl::StatusOr<SessionTensors> Find(const engine::SignatureTable& signatures,
                                    const engine::Signature* aliases_of,
                                    std::span<const std::string_view> names, Ports ports,
                                    std::string_view side) {
  SessionTensors found;
  for (const std::string_view given : names) {
    bool is_known = false;
    if (aliases_of != nullptr) {
      is_known = Add(*aliases_of, ports, true, given, &found);
    } else {
      for (const engine::Signature& signature : signatures.all()) {
        is_known = Add(signature, ports, false, given, &found);
        if (is_known) break;
      }
    }
    if (!is_known) {
      return absl::InvalidArgumentError(
          base::StrCat("\"", given, "\" is no ", side, " that a signature of the model declares"));
    }
  }
  return found;
}

}  // namespace

absl::StatusOr<SessionTensors> FindFeeds(const engine::SignatureTable& signatures,
                                         const engine::Signature* aliases_of,
                                         std::span<const std::string_view> names) {
  absl::StatusOr<SessionTensors> found =
      Find(signatures, aliases_of, names, &engine::Signature::inputs, "input");
  if (!found.ok()) return found;
  for (size_t i = 0; i < names.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (found->ports[i] == found->ports[j] && found->signatures[i] == found->signatures[j]) {
        return absl::InvalidArgumentError(base::StrCat("\"", names[i], "\" is fed twice"));
      }
    }
  }
  return found;
}

absl::StatusOr<SessionTensors> FindFetches(const engine::SignatureTable& signatures,
                                           const engine::Signature* aliases_of,
                                           std::span<const std::string_view> names) {
  return Find(signatures, aliases_of, names, &engine::Signature::outputs, "output");
}

}  // namespace baton::service
