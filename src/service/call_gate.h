#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "base/mutex.h"

namespace baton::service {

// At most so many calls of one door are worked on at once (--grpc_max_threads,
// --rest_api_num_threads); the others wait their turn in the order they came. TensorFlow Serving's
// thread pools refuse or hang there. How many can wait is bounded by connections and streams.
//
// Threads: thread-safe. Owner: a front end's handler; outlives the places given out. Errors: none.
class CallGate {
 public:
  // Held by a call while it is worked on; freed when the last holder lets go.
  using Place = std::shared_ptr<const void>;
  using Start = absl::AnyInvocable<void(Place) &&>;

  // `limit` 0: no limit, and places are null.
  explicit CallGate(size_t limit) : limit_(limit) {}
  ~CallGate();
  CallGate(const CallGate&) = delete;
  CallGate& operator=(const CallGate&) = delete;

  // Runs `start` here when there is a place, otherwise on the thread that frees one.
  template <typename F>
  void Enter(F start) {
    if (limit_ == 0) {
      std::move(start)(Place());  // the usual case allocates nothing
    } else {
      EnterInTurn(std::move(start));
    }
  }

  size_t waiting() const;

 private:
  class Leave;
  void EnterInTurn(Start start);
  void OnLeave();

  const size_t limit_;
  mutable base::Mutex mutex_;
  size_t inside_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Start> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton::service
