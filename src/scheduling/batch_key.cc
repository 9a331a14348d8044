#include "scheduling/batch_key.h"

#include <algorithm>

namespace baton::scheduling {
namespace {

constexpr uint64_t kBetween = ~uint64_t{0};  // ends the inputs

uint64_t PortOf(const engine::Signature& signature, uint32_t port) {
  return uint64_t{signature.index} << 32 | port;
}

}  // namespace

BatchKey::BatchKey(const predict::PredictRequest& request) {
  ports_.reserve(request.input_ports.size() + 1 + request.output_ports.size());
  for (size_t i = 0; i < request.input_ports.size(); ++i) {
    ports_.push_back(PortOf(request.InputSignature(i), request.input_ports[i]));
  }
  ports_.push_back(kBetween);
  const auto outputs = static_cast<std::ptrdiff_t>(ports_.size());
  for (size_t i = 0; i < request.output_ports.size(); ++i) {
    ports_.push_back(PortOf(request.OutputSignature(i), request.output_ports[i]));
  }
  std::sort(ports_.begin() + outputs, ports_.end());
  ports_.erase(std::unique(ports_.begin() + outputs, ports_.end()), ports_.end());
}

size_t BatchKey::Hash::operator()(const BatchKey& key) const {
  uint64_t hash = 0x9e3779b97f4a7c15;
  for (uint64_t port : key.ports_) {
    hash = (hash ^ port) * 0xff51afd7ed558ccd;
    hash ^= hash >> 32;
  }
  return hash;
}

}  // namespace baton::scheduling
