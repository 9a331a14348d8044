#include "service/call_gate.h"

#include <utility>

namespace baton::service {

// Its destruction frees the place.
class CallGate::Leave {
 public:
  explicit Leave(CallGate* gate) : gate_(gate) {}
  ~Leave() { gate_->OnLeave(); }
  Leave(const Leave&) = delete;
  Leave& operator=(const Leave&) = delete;

 private:
  CallGate* const gate_;
};

CallGate::~CallGate() = default;

void CallGate::EnterInTurn(Start start) {
  {
    base::MutexLock lock(mutex_);
    if (inside_ >= limit_) {
      waiting_.push_back(std::move(start));
      return;
    }
    ++inside_;
  }
  std::move(start)(std::make_shared<const Leave>(this));
}

void CallGate::OnLeave() {
  // A call that ends at once would start the next one inside of this: one at a time, so that the
  // stack stays flat.
  thread_local const CallGate* starting = nullptr;
  {
    base::MutexLock lock(mutex_);
    --inside_;
  }
  if (starting == this) return;
  const CallGate* const outer = std::exchange(starting, this);
  while (true) {
    Start next;
    {
      base::MutexLock lock(mutex_);
      if (waiting_.empty() || inside_ >= limit_) break;
      next = std::move(waiting_.front());
      waiting_.pop_front();
      ++inside_;
    }
    std::move(next)(std::make_shared<const Leave>(this));
  }
  starting = outer;
}

size_t CallGate::waiting() const {
  base::MutexLock lock(mutex_);
  return waiting_.size();
}

}  // namespace baton::service
