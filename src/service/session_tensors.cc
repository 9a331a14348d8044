#include "service/session_tensors.h"

#include <string>

#include "base/strings.h"

namespace baton::service {
namespace {

using Ports = std::vector<engine::Port> engine::Signature::*;

std::string FullName(std::string_view name) {
  return base::StrCat(name, name.find(':') == std::string_view::npos ? ":0" : "");
}

bool Add(const engine::Signature& signature, Ports ports, bool is_alias, const std::string& name,
         SessionTensors* found) {
  const std::vector<engine::Port>& all = signature.*ports;
  for (uint32_t i = 0; i < all.size(); ++i) {
    if ((is_alias ? all[i].name : FullName(all[i].tensor_name)) != name) continue;
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
    const std::string name = aliases_of != nullptr ? std::string(given) : FullName(given);
    bool is_known = false;
    if (aliases_of != nullptr) {
      is_known = Add(*aliases_of, ports, true, name, &found);
    } else {
      for (const engine::Signature& signature : signatures.all()) {
        is_known = Add(signature, ports, false, name, &found);
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
