#include "callables.h"

#include <string>
#include <utility>

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

// The subgraph under a handle; its options are fixed, so it knows no timeout.
class HeldCallable final : public Callable {
 public:
  HeldCallable(tf::Session* session, tf::Session::CallableHandle handle)
      : session_(session), handle_(handle) {}
  ~HeldCallable() override { session_->ReleaseCallable(handle_).IgnoreError(); }
  HeldCallable(const HeldCallable&) = delete;
  HeldCallable& operator=(const HeldCallable&) = delete;

  absl::Status Run(const std::vector<tf::Tensor>& feeds, absl::Duration,
                   const tf::thread::ThreadPoolOptions& pools,
                   std::vector<tf::Tensor>* fetched) const override {
    return session_->RunCallable(handle_, feeds, fetched, nullptr, pools);
  }

 private:
  tf::Session* const session_;
  const tf::Session::CallableHandle handle_;
};

// The subgraph by the names of its tensors, which the session keeps prepared for good.
class NamedCallable final : public Callable {
 public:
  NamedCallable(tf::Session* session, const tf::CallableOptions& options)
      : session_(session),
        feeds_(options.feed().begin(), options.feed().end()),
        fetches_(options.fetch().begin(), options.fetch().end()) {}

  absl::Status Run(const std::vector<tf::Tensor>& feeds, absl::Duration timeout,
                   const tf::thread::ThreadPoolOptions& pools,
                   std::vector<tf::Tensor>* fetched) const override {
    std::vector<std::pair<std::string, tf::Tensor>> named;
    named.reserve(feeds.size());
    for (size_t i = 0; i < feeds.size(); ++i) named.emplace_back(feeds_[i], feeds[i]);
    tf::RunOptions options;
    // Rounded up: zero would be no limit.
    options.set_timeout_in_ms(
        absl::ToInt64Milliseconds(absl::Ceil(timeout, absl::Milliseconds(1))));
    tf::RunMetadata metadata;
    return session_->Run(options, named, fetches_, {}, fetched, &metadata, pools);
  }

 private:
  tf::Session* const session_;
  const std::vector<std::string> feeds_;
  const std::vector<std::string> fetches_;
};

}  // namespace

sdk::Result<Callables::Found> Callables::Get(const CallableKey& key) {
  std::lock_guard lock(mutex_);
  if (const auto it = kept_.find(key); it != kept_.end()) return Found{it->second, true};
  const bool is_kept = kept_.size() < kMaxKept;
  sdk::Result<std::shared_ptr<const Callable>> made = Make(key, is_kept);
  if (!made.ok()) return made.status();
  if (is_kept) kept_.emplace(key, *made);
  return Found{*made, is_kept};
}

sdk::Result<std::shared_ptr<const Callable>> Callables::Make(const CallableKey& key,
                                                             bool is_kept) const {
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
  if (uses_inter_op_pool_ && is_kept) {
    return std::shared_ptr<const Callable>(new NamedCallable(session_, options));
  }
  // Kernels run in the calling thread: handing each to a pool costs ten times a small model.
  if (!uses_inter_op_pool_) options.mutable_run_options()->set_inter_op_thread_pool(-1);
  tf::Session::CallableHandle handle = 0;
  if (absl::Status status = session_->MakeCallable(options, &handle); !status.ok())
    return FromTf(status);
  return std::shared_ptr<const Callable>(new HeldCallable(session_, handle));
}

}  // namespace baton::tf_engine
