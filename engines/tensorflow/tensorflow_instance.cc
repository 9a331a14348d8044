#include "tensorflow_instance.h"

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>

#include "tensorflow/core/framework/types.h"
#include "tf_status.h"
#include "thread_pools.h"

namespace baton::tf_engine {
namespace {

sdk::Status CheckStillWanted(const baton_run& run) {
  if (run.cancelled != nullptr && *run.cancelled != 0) {
    return {sdk::Code::kCancelled, "the request was cancelled"};
  }
  if (run.deadline_unix_nanos == std::numeric_limits<int64_t>::max()) return {};
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  if (std::chrono::duration_cast<std::chrono::nanoseconds>(now).count() < run.deadline_unix_nanos)
    return {};
  // The text of a run that TensorFlow stops.
  return {sdk::Code::kDeadlineExceeded, "Timed out waiting for notification"};
}

}  // namespace

sdk::Status TensorflowInstance::Execute(const baton_run& run) {
  if (sdk::Status status = CheckStillWanted(run); !status.ok()) return status;
  if (run.signature >= model_->signatures().size()) {
    return {sdk::Code::kInternal, "called with an unknown signature"};
  }
  const ServedSignature& signature = model_->signatures()[run.signature];
  if (sdk::Status status = SortPorts(signature, run); !status.ok()) return status;
  sdk::Result<std::shared_ptr<const Callable>> callable = FindCallable();
  if (!callable.ok()) return callable.status();
  sdk::Status status = Feed(signature);
  if (status.ok()) {
    status = FromTf(model_->session()->RunCallable((*callable)->handle(), feeds_, &fetched_,
                                                   nullptr, PoolsFor(run.threads)));
  }
  if (status.ok()) status = Return(signature, run);
  // Neither the memory of the request nor that of the answer is kept until the next run.
  feeds_.clear();
  fetched_.clear();
  return status;
}

// Ports in ascending order, so that a run needs the same callable however the client orders its
// names.
sdk::Status TensorflowInstance::SortPorts(const ServedSignature& signature, const baton_run& run) {
  given_.assign(signature.inputs.size(), nullptr);
  fetch_.assign(signature.outputs.size(), 0);
  key_.signature = run.signature;
  key_.inputs.clear();
  key_.outputs.clear();
  for (uint32_t i = 0; i < run.num_inputs; ++i) {
    if (run.input_ports[i] >= given_.size())
      return {sdk::Code::kInternal, "called with an unknown input"};
    given_[run.input_ports[i]] = run.inputs[i];
  }
  for (uint32_t i = 0; i < run.num_outputs; ++i) {
    if (run.output_ports[i] >= fetch_.size())
      return {sdk::Code::kInternal, "called with an unknown output"};
    fetch_[run.output_ports[i]] = 1;
  }
  for (uint32_t port = 0; port < given_.size(); ++port) {
    if (given_[port] != nullptr || signature.inputs[port].default_value)
      key_.inputs.push_back(port);
  }
  for (uint32_t port = 0; port < fetch_.size(); ++port) {
    if (fetch_[port] == 0) continue;
    key_.outputs.push_back(port);
    fetch_[port] = static_cast<uint32_t>(key_.outputs.size());
  }
  return {};
}

sdk::Status TensorflowInstance::Feed(const ServedSignature& signature) {
  feeds_.clear();
  feeds_.reserve(key_.inputs.size());
  for (uint32_t port : key_.inputs) {
    if (given_[port] == nullptr) {
      feeds_.push_back(*signature.inputs[port].default_value);
      continue;
    }
    sdk::Status status = ToTensor(*given_[port], signature.input_memory, &feeds_.emplace_back());
    if (!status.ok()) return status;
    // The text of a session's Run; a callable would name a node that no client knows.
    const tensorflow::DataType wanted = signature.inputs[port].dtype;
    const tensorflow::DataType given = feeds_.back().dtype();
    if (wanted != given && wanted != tensorflow::DT_INVALID) {
      return {sdk::Code::kInvalidArgument, "Expects arg[" + std::to_string(feeds_.size() - 1) +
                                               "] to be " + tensorflow::DataTypeString(wanted) +
                                               " but " + tensorflow::DataTypeString(given) +
                                               " is provided"};
    }
  }
  return {};
}

sdk::Status TensorflowInstance::Return(const ServedSignature& signature, const baton_run& run) {
  for (uint32_t i = 0; i < run.num_outputs; ++i) {
    const uint32_t port = run.output_ports[i];
    const uint32_t position = fetch_[port] - 1;
    if (position >= fetched_.size()) return {sdk::Code::kUnknown, "Predict internal error"};
    sdk::Status status =
        FromTensor(fetched_[position], signature.outputs[port].name, &run.outputs[i]);
    if (!status.ok()) return status;
  }
  return {};
}

sdk::Result<std::shared_ptr<const Callable>> TensorflowInstance::FindCallable() {
  for (const Recent& recent : recent_) {
    if (recent.first == key_) return recent.second;
  }
  sdk::Result<Callables::Found> found = model_->callables().Get(key_);
  if (!found.ok()) return found.status();
  if (found->is_kept && recent_.size() < kMaxRecent) recent_.emplace_back(key_, found->callable);
  return found->callable;
}

}  // namespace baton::tf_engine
