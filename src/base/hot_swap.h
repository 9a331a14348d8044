#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <utility>

#include "absl/functional/function_ref.h"
#include "base/mutex.h"

namespace baton::base {

// A published immutable value: many readers, rare writers, no shared cache line between cores on
// the read path.
//
// Every stripe holds its own shared_ptr *with its own control block*, so a reader touches only its
// stripe's mutex and reference count (about 11 ns, flat over cores; std::atomic<shared_ptr> costs
// ten times that when shared and its libstdc++ form is a race to ThreadSanitizer).
//
// Invariants: (1) a reader that starts Load after Publish returned sees the new value; (2) a value
// lives until the last reader drops it; (3) between the two, different readers may see old and new.
//
// Threads: thread-safe; concurrent Publish calls must be serialised by the caller. Owner: holder of
// the value.
template <typename T>
class HotSwap {
 public:
  static constexpr size_t kStripes = 8;

  // `make` is called once per stripe, so that T can give each stripe separate reference counts of
  // what it holds.
  explicit HotSwap(absl::FunctionRef<std::shared_ptr<const T>()> make) { Publish(make); }

  std::shared_ptr<const T> Load() const {
    const Stripe& stripe = stripes_[StripeOfThread()];
    MutexLock lock(stripe.mutex);
    return stripe.value;
  }

  void Publish(absl::FunctionRef<std::shared_ptr<const T>()> make) {
    for (Stripe& stripe : stripes_) {
      std::shared_ptr<const T> next = make();
      {
        MutexLock lock(stripe.mutex);
        stripe.value.swap(next);
      }
      // The old value may die here, outside the lock.
    }
  }

 private:
  struct alignas(64) Stripe {
    mutable Mutex mutex;
    std::shared_ptr<const T> value ABSL_GUARDED_BY(mutex);
  };

  static size_t StripeOfThread() {
    static std::atomic<size_t> next{0};
    thread_local const size_t mine = next.fetch_add(1, std::memory_order_relaxed) % kStripes;
    return mine;
  }

  std::array<Stripe, kStripes> stripes_;
};

}  // namespace baton::base
