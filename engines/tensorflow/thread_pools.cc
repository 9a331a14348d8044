#include "thread_pools.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "tensorflow/core/platform/env.h"
#include "tensorflow/core/platform/threadpool.h"

namespace baton::tf_engine {
namespace {

namespace tf = tensorflow;

constexpr uint32_t kMaxThreads = 1024;

// Part of the shared pool: kernels split their work into as many pieces as there are threads.
class PartOfPool final : public tf::thread::ThreadPoolInterface {
 public:
  PartOfPool(Eigen::ThreadPoolInterface* pool, int threads) : pool_(pool), threads_(threads) {}
  void Schedule(std::function<void()> fn) override { pool_->Schedule(std::move(fn)); }
  int NumThreads() const override { return threads_; }
  int CurrentThreadId() const override { return pool_->CurrentThreadId(); }

 private:
  Eigen::ThreadPoolInterface* const pool_;
  const int threads_;
};

// One pool and views of it for 2, 3, ... threads.
class SharedPool {
 public:
  explicit SharedPool(uint32_t size)
      : pool_(tf::Env::Default(), "baton_intra", static_cast<int>(size)) {
    for (uint32_t threads = 2; threads <= size; ++threads) {
      parts_.push_back(
          std::make_unique<PartOfPool>(pool_.AsEigenThreadPool(), static_cast<int>(threads)));
    }
  }
  tf::thread::ThreadPoolInterface* Part(uint32_t threads) const {
    return parts_[threads - 2].get();
  }
  uint32_t size() const { return static_cast<uint32_t>(parts_.size()) + 1; }

 private:
  tf::thread::ThreadPool pool_;
  std::vector<std::unique_ptr<PartOfPool>> parts_;
};

// Pools live as long as the process.
const SharedPool& MachinesPool() {
  static const SharedPool& pool =
      *new SharedPool(std::max(2u, std::thread::hardware_concurrency()));
  return pool;
}

// That of the machine's size, or one of its own for an operator who wants more.
const SharedPool& PoolWith(uint32_t threads) {
  if (threads <= MachinesPool().size()) return MachinesPool();
  static std::mutex& mutex = *new std::mutex;
  static std::map<uint32_t, SharedPool>& larger = *new std::map<uint32_t, SharedPool>;
  std::lock_guard lock(mutex);
  return larger.try_emplace(threads, threads).first->second;
}

}  // namespace

tf::thread::ThreadPoolOptions PoolsFor(uint32_t granted, uint32_t chosen) {
  if (chosen == 1 || (chosen == 0 && granted <= 1)) return {};
  const uint32_t threads =
      chosen == 0 ? std::min(granted, MachinesPool().size()) : std::min(chosen, kMaxThreads);
  return {.inter_op_threadpool = nullptr, .intra_op_threadpool = PoolWith(threads).Part(threads)};
}

}  // namespace baton::tf_engine
