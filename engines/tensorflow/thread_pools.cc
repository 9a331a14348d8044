#include "thread_pools.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "tensorflow/core/platform/env.h"
#include "tensorflow/core/platform/threadpool.h"

namespace baton::tf_engine {
namespace {

namespace tf = tensorflow;

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

struct SharedPool {
  SharedPool()
      : size(std::max(2u, std::thread::hardware_concurrency())),
        pool(tf::Env::Default(), "baton_intra", static_cast<int>(size)) {
    for (uint32_t threads = 2; threads <= size; ++threads) {
      parts.push_back(
          std::make_unique<PartOfPool>(pool.AsEigenThreadPool(), static_cast<int>(threads)));
    }
  }
  const uint32_t size;
  tf::thread::ThreadPool pool;
  std::vector<std::unique_ptr<PartOfPool>> parts;  // for 2, 3, ... threads
};

}  // namespace

tf::thread::ThreadPoolOptions PoolsFor(uint32_t threads) {
  if (threads <= 1) return {};
  static SharedPool& shared = *new SharedPool;  // its threads live as long as the process
  return {.inter_op_threadpool = nullptr,
          .intra_op_threadpool = shared.parts[std::min(threads, shared.size) - 2].get()};
}

}  // namespace baton::tf_engine
