#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "engine/engine.h"

namespace baton::predict {

// The execution contexts of one model. An instance is made when all are in use and the limit allows
// another, leased to one caller at a time, and kept until the pool dies.
//
// Threads: thread-safe. Owner: EnginePredictor; borrows the model. Every lease dies before the
// pool. Errors: those of Model::NewInstance.
class InstancePool {
 public:
  // The right to use one instance; gives it back when it dies. May be empty.
  class Lease {
   public:
    Lease() = default;
    Lease(Lease&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), instance_(std::move(other.instance_)) {}
    Lease& operator=(Lease&& other) noexcept {
      std::swap(pool_, other.pool_);
      std::swap(instance_, other.instance_);
      return *this;
    }
    ~Lease() {
      if (pool_ != nullptr) pool_->Return(std::move(instance_));
    }
    explicit operator bool() const { return instance_ != nullptr; }
    engine::Instance& operator*() const { return *instance_; }
    engine::Instance* operator->() const { return instance_.get(); }

   private:
    friend class InstancePool;  // the only maker of full leases
    Lease(InstancePool* pool, std::unique_ptr<engine::Instance> instance)
        : pool_(pool), instance_(std::move(instance)) {}

    InstancePool* pool_ = nullptr;
    std::unique_ptr<engine::Instance> instance_;
  };

  // At most `limit` instances, and never more than the model allows; 0: no limit of its own.
  explicit InstancePool(engine::Model* model, uint32_t limit = 0);
  ~InstancePool();

  // Never waits for another caller: an empty lease when all instances are in use. For loop threads.
  absl::StatusOr<Lease> TryLease();
  // Waits in line until an instance is free; an empty lease when `deadline` came first. For engine
  // threads.
  absl::StatusOr<Lease> WaitForLease(absl::Time deadline);

  // Instances that exist, leased or not.
  uint32_t size() const;
  // 0: no limit.
  uint32_t limit() const { return limit_; }

 private:
  struct Waiter {
    base::CondVar wake;
    std::unique_ptr<engine::Instance> instance;
    bool may_make = false;  // a place became free instead of an instance
  };

  absl::StatusOr<Lease> Make() ABSL_LOCKS_EXCLUDED(mutex_);
  void Return(std::unique_ptr<engine::Instance> instance) ABSL_LOCKS_EXCLUDED(mutex_);
  bool TakePlace() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  engine::Model* const model_;
  const uint32_t limit_;
  mutable base::Mutex mutex_;
  std::vector<std::unique_ptr<engine::Instance>> free_ ABSL_GUARDED_BY(mutex_);  // last is warmest
  std::vector<Waiter*> waiting_ ABSL_GUARDED_BY(mutex_);                         // first is next
  uint32_t made_ ABSL_GUARDED_BY(mutex_) = 0;
  uint32_t leased_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace baton::predict
