#include "engine/signature.h"

#include <algorithm>

namespace baton::engine {
namespace {

std::optional<uint32_t> FindPort(const std::vector<Port>& ports, std::string_view name) {
  const auto it =
      std::lower_bound(ports.begin(), ports.end(), name,
                       [](const Port& port, std::string_view n) { return port.name < n; });
  if (it == ports.end() || it->name != name) return std::nullopt;
  return static_cast<uint32_t>(it - ports.begin());
}

template <typename T>
void SortByName(std::vector<T>& items) {
  std::stable_sort(items.begin(), items.end(),
                   [](const T& a, const T& b) { return a.name < b.name; });
}

}  // namespace

std::optional<uint32_t> Signature::FindInput(std::string_view name) const {
  return FindPort(inputs, name);
}

std::optional<uint32_t> Signature::FindOutput(std::string_view name) const {
  return FindPort(outputs, name);
}

SignatureTable::SignatureTable(std::vector<Signature> signatures)
    : signatures_(std::move(signatures)) {
  SortByName(signatures_);
  uint32_t index = 0;
  for (Signature& signature : signatures_) {
    SortByName(signature.inputs);
    SortByName(signature.outputs);
    signature.index = index++;
  }
}

const Signature* SignatureTable::Find(std::string_view name) const {
  if (name.empty()) name = kDefaultSignature;
  const auto it = std::lower_bound(
      signatures_.begin(), signatures_.end(), name,
      [](const Signature& signature, std::string_view n) { return signature.name < n; });
  return it == signatures_.end() || it->name != name ? nullptr : &*it;
}

}  // namespace baton::engine
