#include "service/call_gate.h"

#include <deque>
#include <optional>
#include <vector>

#include "base/mutex.h"

namespace baton::service {

// Shared by the gate and the places, because a place may be freed when the gate is gone.
class CallGate::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(size_t limit, size_t max_waiting) : limit_(limit), max_waiting_(max_waiting) {}

  bool Enter(Waiter waiter) {
    std::vector<Waiter> dropped;  // their calls end outside the lock
    {
      base::MutexLock lock(mutex_);
      if (inside_ >= limit_) {
        if (waiting_.size() >= max_waiting_) DropCancelled(dropped);
        if (waiting_.size() >= max_waiting_) return false;
        waiting_.push_back(std::move(waiter));
        return true;
      }
      ++inside_;
    }
    waiter.start(MakePlace());
    return true;
  }

  void Leave() {
    std::vector<Waiter> dropped;
    std::optional<Waiter> next;
    {
      base::MutexLock lock(mutex_);
      while (!next && !waiting_.empty()) {
        if (IsCancelled(waiting_.front())) {
          dropped.push_back(std::move(waiting_.front()));
        } else {
          next = std::move(waiting_.front());
        }
        waiting_.pop_front();
      }
      if (!next) --inside_;
    }
    if (!next) return;
    auto post = std::move(next->post);
    post([start = std::move(next->start), place = MakePlace()]() mutable {
      start(std::move(place));
    });
  }

  // From here on nobody is let in: the waiting calls end.
  void Close() {
    std::deque<Waiter> dropped;
    {
      base::MutexLock lock(mutex_);
      dropped.swap(waiting_);
    }
  }

  size_t waiting() const {
    base::MutexLock lock(mutex_);
    return waiting_.size();
  }

 private:
  Place MakePlace() {
    return Place(static_cast<const void*>(this),
                 [core = shared_from_this()](const void*) { core->Leave(); });
  }
  static bool IsCancelled(const Waiter& waiter) {
    return waiter.cancellation != nullptr && waiter.cancellation->cancelled();
  }
  void DropCancelled(std::vector<Waiter>& dropped) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::deque<Waiter> kept;
    for (Waiter& waiter : waiting_) {
      if (IsCancelled(waiter)) {
        dropped.push_back(std::move(waiter));
      } else {
        kept.push_back(std::move(waiter));
      }
    }
    waiting_.swap(kept);
  }

  const size_t limit_;
  const size_t max_waiting_;
  mutable base::Mutex mutex_;
  size_t inside_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Waiter> waiting_ ABSL_GUARDED_BY(mutex_);
};

CallGate::CallGate(size_t limit, size_t max_waiting)
    : limit_(limit), core_(std::make_shared<Core>(limit, max_waiting)) {}

CallGate::~CallGate() { core_->Close(); }

bool CallGate::EnterInTurn(Waiter waiter) { return core_->Enter(std::move(waiter)); }

size_t CallGate::waiting() const { return core_->waiting(); }

}  // namespace baton::service
