#include "tensorflow_instance.h"

#include <cstdint>
#include <limits>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tensorflow/core/framework/types.h"
#include "tf_status.h"
#include "thread_pools.h"

namespace baton::tf_engine {
namespace {

// How long anybody waits for the result; zero for ever.
sdk::Result<absl::Duration> TimeLeft(const baton_run& run) {
  if (run.cancelled != nullptr && *run.cancelled != 0) {
    return sdk::Status(sdk::Code::kCancelled, "the request was cancelled");
  }
  if (run.deadline_unix_nanos == std::numeric_limits<int64_t>::max()) return absl::ZeroDuration();
  const absl::Duration left = absl::FromUnixNanos(run.deadline_unix_nanos) - absl::Now();
  if (left > absl::ZeroDuration()) return left;
  // The text of a run that TensorFlow stops.
  return sdk::Status(sdk::Code::kDeadlineExceeded, "Timed out waiting for notification");
}

}  // namespace

sdk::Status TensorflowInstance::Execute(const baton_run& run) {
  sdk::Result<absl::Duration> time_left = TimeLeft(run);
  if (!time_left.ok()) return time_left.status();
  if (sdk::Status status = plan_.Make(run); !status.ok()) return status;
  sdk::Result<std::shared_ptr<const Callable>> callable = FindCallable();
  if (!callable.ok()) return callable.status();
  sdk::Status status = Feed();
  if (status.ok()) {
    status = FromTf((*callable)->Run(feeds_, *time_left,
                                     PoolsFor(run.threads, model_->intra_op_threads()), &fetched_));
  }
  if (status.ok()) status = Return(run);
  // Neither the memory of the request nor that of the answer is kept until the next run.
  feeds_.clear();
  fetched_.clear();
  return status;
}

sdk::Status TensorflowInstance::Feed() {
  feeds_.clear();
  feeds_.reserve(plan_.sources().size());
  for (size_t i = 0; i < plan_.sources().size(); ++i) {
    const ServedPort& port = plan_.InputPort(i);
    if (plan_.sources()[i] == nullptr) {
      feeds_.push_back(*port.default_value);
      continue;
    }
    sdk::Status status =
        ToTensor(*plan_.sources()[i], plan_.input_memory(), &feeds_.emplace_back());
    if (!status.ok()) return status;
    // The text of a session's Run; a callable would name a node that no client knows.
    const tensorflow::DataType given = feeds_.back().dtype();
    if (port.dtype != given && port.dtype != tensorflow::DT_INVALID) {
      return {sdk::Code::kInvalidArgument, "Expects arg[" + std::to_string(i) + "] to be " +
                                               tensorflow::DataTypeString(port.dtype) + " but " +
                                               tensorflow::DataTypeString(given) + " is provided"};
    }
  }
  return {};
}

sdk::Status TensorflowInstance::Return(const baton_run& run) {
  for (uint32_t i = 0; i < run.num_outputs; ++i) {
    const uint32_t position = plan_.positions()[i];
    if (position >= fetched_.size()) return {sdk::Code::kUnknown, "Predict internal error"};
    const ServedSignature& signature = model_->signatures()[sdk::OutputSignature(run, i)];
    sdk::Status status = FromTensor(fetched_[position], signature.outputs[run.output_ports[i]].name,
                                    &run.outputs[i]);
    if (!status.ok()) return status;
  }
  return {};
}

sdk::Result<std::shared_ptr<const Callable>> TensorflowInstance::FindCallable() {
  for (const Recent& recent : recent_) {
    if (recent.first == plan_.key()) return recent.second;
  }
  sdk::Result<Callables::Found> found = model_->callables().Get(plan_.key());
  if (!found.ok()) return found.status();
  if (found->is_kept && recent_.size() < kMaxRecent)
    recent_.emplace_back(plan_.key(), found->callable);
  return found->callable;
}

}  // namespace baton::tf_engine
