#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "predict/call.h"

namespace baton::service {

// At most so many calls of one door are worked on at once (--grpc_max_threads,
// --rest_api_num_threads); the others wait their turn in the order they came. TensorFlow Serving's
// thread pools refuse or hang there. A call that nobody waits for any more gives up its turn.
//
// Threads: thread-safe. Owner: a front end's handler; places may outlive it. Errors: none; a full
// line is the caller's to answer.
class CallGate {
 public:
  // Held by a call while it is worked on; freed when the last holder lets go.
  using Place = std::shared_ptr<const void>;
  using Work = absl::AnyInvocable<void()>;

  struct Waiter {
    absl::AnyInvocable<void(Place)> start;
    absl::AnyInvocable<void(Work)> post;  // runs work on the call's own thread, later
    std::shared_ptr<predict::Cancellation> cancellation = nullptr;  // may be null
  };

  // `limit` 0: no limit, and places are null.
  CallGate(size_t limit, size_t max_waiting);
  ~CallGate();
  CallGate(const CallGate&) = delete;
  CallGate& operator=(const CallGate&) = delete;

  // Runs `start` here when there is a place, otherwise in turn, on the call's own thread: whoever
  // leaves only hands the place on. `Call` has Post, cancellation and FinishError; too long a line
  // answers RESOURCE_EXHAUSTED.
  template <typename CallPtr, typename F>
  void Enter(const CallPtr& call, F start) {
    if (limit_ == 0) return std::move(start)(Place());  // the usual case allocates nothing
    const bool taken = EnterInTurn({
        .start = std::move(start),
        .post = [call](Work work) { call->Post(std::move(work)); },
        .cancellation = call->cancellation(),
    });
    if (!taken) call->FinishError(absl::ResourceExhaustedError("Server Threadpool Exhausted"));
  }

  // False: as many wait as may.
  bool EnterInTurn(Waiter waiter);

  size_t waiting() const;

 private:
  class Core;
  const size_t limit_;
  const std::shared_ptr<Core> core_;
};

}  // namespace baton::service
