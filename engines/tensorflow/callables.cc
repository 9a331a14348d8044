#include "callables.h"

#include <string>

#include "tensorflow/core/protobuf/config.pb.h"
#include "tf_status.h"

namespace baton::tf_engine {
namespace {

namespace tf = tensorflow;

sdk::Status Unnamed(const ServedSignature& signature, const char* what, const ServedPort& port) {
  return {sdk::Code::kInvalidArgument,
          "signature \"" + signature.name + "\": " + what + " \"" + port.name +
              "\" is a sparse or composite tensor, which has no name to use"};
}

}  // namespace

sdk::Result<Callables::Found> Callables::Get(const CallableKey& key) {
  std::lock_guard lock(mutex_);
  if (const auto it = kept_.find(key); it != kept_.end()) return Found{it->second, true};

  tf::CallableOptions options;
  for (const PortOfSignature& input : key.inputs) {
    const ServedSignature& signature = signatures_[input.signature];
    const ServedPort& port = signature.inputs[input.port];
    if (port.tensor_name.empty()) return Unnamed(signature, "input", port);
    options.add_feed(port.tensor_name);
  }
  for (const PortOfSignature& output : key.outputs) {
    const ServedSignature& signature = signatures_[output.signature];
    const ServedPort& port = signature.outputs[output.port];
    if (port.tensor_name.empty()) return Unnamed(signature, "output", port);
    options.add_fetch(port.tensor_name);
  }
  // Kernels run in the calling thread: handing each to a pool costs ten times a small model.
  options.mutable_run_options()->set_inter_op_thread_pool(-1);
  tf::Session::CallableHandle handle = 0;
  if (absl::Status status = session_->MakeCallable(options, &handle); !status.ok())
    return FromTf(status);
  Found found{std::make_shared<const Callable>(session_, handle), kept_.size() < kMaxKept};
  if (found.is_kept) kept_.emplace(key, found.callable);
  return found;
}

}  // namespace baton::tf_engine
