#include "predict/instance_pool.h"

#include <algorithm>

#include "base/check.h"

namespace baton::predict {
namespace {

// The smaller of two limits of which 0 means none.
uint32_t Stricter(uint32_t a, uint32_t b) {
  if (a == 0 || b == 0) return std::max(a, b);
  return std::min(a, b);
}

}  // namespace

InstancePool::InstancePool(engine::Model* model, uint32_t limit)
    : model_(model), limit_(Stricter(model->max_instances(), limit)) {}

InstancePool::~InstancePool() {
  base::MutexLock lock(mutex_);
  BATON_CHECK(leased_ == 0);
}

uint32_t InstancePool::size() const {
  base::MutexLock lock(mutex_);
  return made_;
}

bool InstancePool::TakePlace() {
  if (limit_ != 0 && made_ >= limit_) return false;
  ++made_;
  ++leased_;
  return true;
}

absl::StatusOr<InstancePool::Lease> InstancePool::TryLease() {
  {
    base::MutexLock lock(mutex_);
    if (!free_.empty()) {
      std::unique_ptr<engine::Instance> instance = std::move(free_.back());
      free_.pop_back();
      ++leased_;
      return Lease(this, std::move(instance));
    }
    if (!TakePlace()) return Lease();
  }
  return Make();
}

absl::StatusOr<InstancePool::Lease> InstancePool::WaitForLease(absl::Time deadline) {
  Waiter self;
  {
    base::MutexLock lock(mutex_);
    if (!free_.empty()) {
      std::unique_ptr<engine::Instance> instance = std::move(free_.back());
      free_.pop_back();
      ++leased_;
      return Lease(this, std::move(instance));
    }
    if (!TakePlace()) {
      waiting_.push_back(&self);
      bool in_time = true;
      while (self.instance == nullptr && !self.may_make && in_time) {
        in_time = self.wake.WaitUntil(mutex_, deadline);
      }
      // Whoever hands something over has taken this waiter off the list.
      if (self.instance != nullptr) return Lease(this, std::move(self.instance));
      if (!self.may_make) {
        waiting_.erase(std::find(waiting_.begin(), waiting_.end(), &self));
        return Lease();
      }
    }
  }
  return Make();
}

// Outside the lock: making an instance may take as long as the engine likes. The place is already
// taken.
absl::StatusOr<InstancePool::Lease> InstancePool::Make() {
  absl::StatusOr<std::unique_ptr<engine::Instance>> instance = model_->NewInstance();
  if (!instance.ok()) {
    Return(nullptr);
    return std::move(instance).status();
  }
  return Lease(this, *std::move(instance));
}

void InstancePool::Return(std::unique_ptr<engine::Instance> instance) {
  base::MutexLock lock(mutex_);
  if (!waiting_.empty()) {
    // Handed over: the count of leases stays. Without an instance (making it failed) the waiter
    // gets the place.
    Waiter* next = waiting_.front();
    waiting_.erase(waiting_.begin());
    next->may_make = instance == nullptr;
    next->instance = std::move(instance);
    next->wake.NotifyOne();
    return;
  }
  --leased_;
  if (instance == nullptr) {
    --made_;
  } else {
    free_.push_back(std::move(instance));
  }
}

}  // namespace baton::predict
