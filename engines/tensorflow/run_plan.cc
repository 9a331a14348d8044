#include "run_plan.h"

#include <algorithm>

namespace baton::tf_engine {
namespace {

// One piece of memory, read in the same way.
bool IsSame(const baton_tensor& a, const baton_tensor& b) {
  return a.data == b.data && a.bytes == b.bytes && a.dtype == b.dtype &&
         std::equal(a.dims, a.dims + a.rank, b.dims, b.dims + b.rank);
}

}  // namespace

sdk::Status RunPlan::Make(const baton_run& run) {
  if (sdk::Status status = CollectSignatures(run); !status.ok()) return status;
  key_.inputs.clear();
  key_.outputs.clear();
  sources_.clear();
  positions_.assign(run.num_outputs, 0);
  input_memory_ = Inputs::kShared;
  for (uint32_t signature : used_) {
    if (signatures_[signature].input_memory == Inputs::kCopied) input_memory_ = Inputs::kCopied;
    if (sdk::Status status = AddInputs(signature, run); !status.ok()) return status;
    if (sdk::Status status = AddOutputs(signature, run); !status.ok()) return status;
  }
  return {};
}

sdk::Status RunPlan::CollectSignatures(const baton_run& run) {
  used_.clear();
  if (run.input_signatures == nullptr && run.output_signatures == nullptr) {
    used_.push_back(run.signature);
  } else {
    for (uint32_t i = 0; i < run.num_inputs; ++i) used_.push_back(sdk::InputSignature(run, i));
    for (uint32_t i = 0; i < run.num_outputs; ++i) used_.push_back(sdk::OutputSignature(run, i));
    std::sort(used_.begin(), used_.end());
    used_.erase(std::unique(used_.begin(), used_.end()), used_.end());
  }
  if (!used_.empty() && used_.back() >= signatures_.size()) {
    return {sdk::Code::kInternal, "called with an unknown signature"};
  }
  return {};
}

sdk::Status RunPlan::AddInputs(uint32_t signature, const baton_run& run) {
  const std::vector<ServedPort>& ports = signatures_[signature].inputs;
  by_port_.assign(ports.size(), nullptr);
  for (uint32_t i = 0; i < run.num_inputs; ++i) {
    if (sdk::InputSignature(run, i) != signature) continue;
    if (run.input_ports[i] >= ports.size()) {
      return {sdk::Code::kInternal, "called with an unknown input"};
    }
    by_port_[run.input_ports[i]] = run.inputs[i];
  }
  for (uint32_t port = 0; port < ports.size(); ++port) {
    if (by_port_[port] == nullptr && !ports[port].default_value) continue;
    if (used_.size() > 1 && IsFed(ports[port].tensor, by_port_[port])) continue;
    key_.inputs.push_back({signature, port});
    sources_.push_back(by_port_[port]);
  }
  return {};
}

// Whether an earlier signature feeds `tensor` with the same value; a default gives way to a value
// and to an earlier default. With another value it is fed twice, and TensorFlow says so.
bool RunPlan::IsFed(uint32_t tensor, const baton_tensor* source) {
  for (size_t i = 0; i < key_.inputs.size(); ++i) {
    if (InputPort(i).tensor != tensor) continue;
    if (sources_[i] == nullptr) sources_[i] = source;
    if (source == nullptr || IsSame(*sources_[i], *source)) return true;
  }
  return false;
}

sdk::Status RunPlan::AddOutputs(uint32_t signature, const baton_run& run) {
  const size_t ports = signatures_[signature].outputs.size();
  fetch_.assign(ports, kUnwanted);
  for (uint32_t i = 0; i < run.num_outputs; ++i) {
    if (sdk::OutputSignature(run, i) != signature) continue;
    if (run.output_ports[i] >= ports) {
      return {sdk::Code::kInternal, "called with an unknown output"};
    }
    fetch_[run.output_ports[i]] = 0;
  }
  for (uint32_t port = 0; port < ports; ++port) {
    if (fetch_[port] != kUnwanted) fetch_[port] = Fetch(signature, port);
  }
  for (uint32_t i = 0; i < run.num_outputs; ++i) {
    if (sdk::OutputSignature(run, i) == signature) positions_[i] = fetch_[run.output_ports[i]];
  }
  return {};
}

// The position of a wanted port in key_.outputs.
uint32_t RunPlan::Fetch(uint32_t signature, uint32_t port) {
  if (used_.size() > 1 || signatures_[signature].has_shared_outputs) {
    const uint32_t tensor = signatures_[signature].outputs[port].tensor;
    for (uint32_t i = 0; i < key_.outputs.size(); ++i) {
      const PortOfSignature& other = key_.outputs[i];
      if (signatures_[other.signature].outputs[other.port].tensor == tensor) return i;
    }
  }
  key_.outputs.push_back({signature, port});
  return static_cast<uint32_t>(key_.outputs.size() - 1);
}

}  // namespace baton::tf_engine
