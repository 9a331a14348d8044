#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "baton/engine_sdk.h"
#include "served_signature.h"
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

// A prepared subgraph of a session, released with it.
class Callable {
 public:
  Callable(tensorflow::Session* session, tensorflow::Session::CallableHandle handle)
      : session_(session), handle_(handle) {}
  ~Callable() { session_->ReleaseCallable(handle_).IgnoreError(); }
  Callable(const Callable&) = delete;
  Callable& operator=(const Callable&) = delete;

  tensorflow::Session::CallableHandle handle() const { return handle_; }

 private:
  tensorflow::Session* const session_;
  const tensorflow::Session::CallableHandle handle_;
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

  Callables(tensorflow::Session* session, const std::vector<ServedSignature>& signatures)
      : session_(session), signatures_(signatures) {}

  struct Found {
    std::shared_ptr<const Callable> callable;
    bool is_kept = false;
  };
  sdk::Result<Found> Get(const CallableKey& key);

 private:
  tensorflow::Session* const session_;
  const std::vector<ServedSignature>& signatures_;
  std::mutex mutex_;
  std::map<CallableKey, std::shared_ptr<const Callable>> kept_;  // guarded by mutex_
};

}  // namespace baton::tf_engine
