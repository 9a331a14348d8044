#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "lifecycle/servable.h"

namespace baton::testing {

// A model without signatures that tells when it dies.
class FakeModel final : public engine::Model {
 public:
  explicit FakeModel(absl::AnyInvocable<void()> on_destroy = nullptr)
      : on_destroy_(std::move(on_destroy)) {}
  ~FakeModel() override {
    if (on_destroy_) on_destroy_();
  }
  const engine::SignatureTable& signatures() const override { return signatures_; }
  uint64_t memory_bytes() const override { return 0; }
  uint32_t max_instances() const override { return 0; }
  std::string_view signature_def_map() const override { return {}; }
  absl::StatusOr<std::unique_ptr<engine::Instance>> NewInstance() override {
    return absl::UnimplementedError("a fake model has no instances");
  }

 private:
  const engine::SignatureTable signatures_;
  absl::AnyInvocable<void()> on_destroy_;
};

// Drops every call; the dying sink answers.
class FakePredictor final : public predict::Predictor {
 public:
  void Predict(predict::PredictCall) override {}
};

inline std::unique_ptr<lifecycle::Servable> MakeFakeServable(
    lifecycle::ServableId id, absl::AnyInvocable<void()> on_destroy = nullptr) {
  return std::make_unique<lifecycle::Servable>(std::move(id),
                                               std::make_unique<FakeModel>(std::move(on_destroy)),
                                               std::make_unique<FakePredictor>());
}

// Loads anything, unless told to fail; remembers what was loaded and destroyed.
//
// Threads: thread-safe. Owner: the test; outlives what it loaded.
class FakeFactory final : public lifecycle::ServableFactory {
 public:
  // The next `times` loads of `id` fail; 0 ends that.
  void FailNext(const lifecycle::ServableId& id, absl::Status status, int times = 1'000'000) {
    base::MutexLock lock(mutex_);
    failures_[id] = {std::move(status), times};
  }

  absl::StatusOr<std::unique_ptr<lifecycle::Servable>> Load(
      const lifecycle::ServableId& id, const std::string& path,
      std::shared_ptr<predict::Cancellation> cancellation) override {
    base::MutexLock lock(mutex_);
    last_load_ = std::move(cancellation);
    loads_.push_back(id.name + "/" + std::to_string(id.version));
    paths_.push_back(path);
    if (const auto failure = failures_.find(id);
        failure != failures_.end() && failure->second.second > 0) {
      --failure->second.second;
      return failure->second.first;
    }
    return MakeFakeServable(id, [this, id] {
      base::MutexLock destroy_lock(mutex_);
      destroyed_.push_back(id.name + "/" + std::to_string(id.version));
    });
  }

  // Of the load that began last.
  std::shared_ptr<const predict::Cancellation> last_load() const {
    base::MutexLock lock(mutex_);
    return last_load_;
  }
  // "m/1", in order.
  std::vector<std::string> loads() const {
    base::MutexLock lock(mutex_);
    return loads_;
  }
  std::vector<std::string> paths() const {
    base::MutexLock lock(mutex_);
    return paths_;
  }
  std::vector<std::string> destroyed() const {
    base::MutexLock lock(mutex_);
    return destroyed_;
  }

 private:
  mutable base::Mutex mutex_;
  std::map<lifecycle::ServableId, std::pair<absl::Status, int>> failures_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<predict::Cancellation> last_load_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> loads_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> paths_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> destroyed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton::testing
