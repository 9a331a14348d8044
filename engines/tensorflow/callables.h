#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "baton/engine_sdk.h"
#include "served_signature.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/platform/threadpool_options.h"
#include "tensorflow/core/public/session.h"

namespace baton::tf_engine {

struct PortOfSignature {
  uint32_t signature = 0;
  uint32_t port = 0;
  auto operator<=>(const PortOfSignature&) const = default;
};

// Which part of the graph a run needs; ports in ascending order, none whose tensor is there
// already.
struct CallableKey {
  std::vector<PortOfSignature> inputs;
  std::vector<PortOfSignature> outputs;
  auto operator<=>(const CallableKey&) const = default;
};

// A prepared subgraph of a session.
//
// Threads: thread-safe. Owner: Callables and whoever runs it; borrows the session. Errors:
// TensorFlow's.
class Callable {
 public:
  virtual ~Callable() = default;
  // `feeds` and `fetched` in the order of the key. `timeout` is zero for none; only what runs on a
  // pool can be stopped by it.
  virtual absl::Status Run(const std::vector<tensorflow::Tensor>& feeds, absl::Duration timeout,
                           const tensorflow::thread::ThreadPoolOptions& pools,
                           std::vector<tensorflow::Tensor>* fetched) const = 0;
};

// The callables of one session. Making one costs milliseconds to seconds and memory, so they are
// kept; but clients choose the set of outputs, so only kMaxKept are, and one beyond them lives as
// long as its run.
//
// Threads: thread-safe. Owner: the model; borrows session and signatures. Errors: those of
// MakeCallable, such as "x:0 is both fed and fetched."
class Callables {
 public:
  static constexpr size_t kMaxKept = 64;

  // `uses_inter_op_pool`: as of SessionSettings.
  Callables(tensorflow::Session* session, const std::vector<ServedSignature>& signatures,
            bool uses_inter_op_pool)
      : session_(session), signatures_(signatures), uses_inter_op_pool_(uses_inter_op_pool) {}

  struct Found {
    std::shared_ptr<const Callable> callable;
    bool is_kept = false;
  };
  sdk::Result<Found> Get(const CallableKey& key);

 private:
  sdk::Result<std::shared_ptr<const Callable>> Make(const CallableKey& key, bool is_kept) const;

  tensorflow::Session* const session_;
  const std::vector<ServedSignature>& signatures_;
  const bool uses_inter_op_pool_;
  std::mutex mutex_;
  std::map<CallableKey, std::shared_ptr<const Callable>> kept_;  // guarded by mutex_
};

}  // namespace baton::tf_engine
