#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "storage/model_store.h"

namespace baton::testing {

// Versions in memory: a test puts names under base paths and says which are settled (all, at
// first).
//
// Threads: thread-safe; watch callbacks run in the caller of Put, Remove or Touch. Owner: the test.
class FakeStore final : public storage::ModelStore {
 public:
  FakeStore() : shared_(std::make_shared<Shared>()) {}

  // Makes `base_path` exist with these children; names must be numbers.
  void Put(const std::string& base_path, std::vector<std::string> names) {
    std::sort(names.begin(), names.end());
    {
      base::MutexLock lock(shared_->mutex);
      shared_->names[base_path] = std::move(names);
      shared_->errors.erase(base_path);
    }
    Touch(base_path);
  }
  void Remove(const std::string& base_path) {
    {
      base::MutexLock lock(shared_->mutex);
      shared_->names.erase(base_path);
    }
    Touch(base_path);
  }
  void SetError(const std::string& base_path, absl::Status error) {
    base::MutexLock lock(shared_->mutex);
    shared_->errors[base_path] = std::move(error);
  }
  // `path` is "<base path>/<name>".
  void SetSettled(const std::string& path, bool is_settled) {
    base::MutexLock lock(shared_->mutex);
    if (is_settled) {
      shared_->unsettled.erase(path);
    } else {
      shared_->unsettled.insert(path);
    }
  }
  void Touch(const std::string& base_path) {
    std::vector<std::shared_ptr<absl::AnyInvocable<void()>>> callbacks;
    {
      base::MutexLock lock(shared_->mutex);
      for (const auto& [id, watch] : shared_->watches) {
        if (watch.first == base_path) callbacks.push_back(watch.second);
      }
    }
    for (const auto& callback : callbacks) (*callback)();
  }

  absl::StatusOr<std::vector<storage::StoredVersion>> ListVersions(
      const std::string& base_path) override {
    base::MutexLock lock(shared_->mutex);
    ++shared_->lists[base_path];
    if (const auto error = shared_->errors.find(base_path); error != shared_->errors.end()) {
      return error->second;
    }
    const auto found = shared_->names.find(base_path);
    if (found == shared_->names.end()) return absl::NotFoundError(base_path + " not found");
    std::vector<storage::StoredVersion> versions;
    for (const std::string& name : found->second) {
      versions.push_back({std::stoll(name), base_path + "/" + name});
    }
    return versions;
  }
  absl::StatusOr<bool> IsSettled(const storage::StoredVersion& version) override {
    base::MutexLock lock(shared_->mutex);
    ++shared_->settle_checks[version.path];
    return !shared_->unsettled.contains(version.path);
  }
  std::unique_ptr<Watch> StartWatch(const std::string& base_path,
                                    absl::AnyInvocable<void()> changed) override {
    auto callback = std::make_shared<absl::AnyInvocable<void()>>(std::move(changed));
    base::MutexLock lock(shared_->mutex);
    if (!shared_->names.contains(base_path)) return nullptr;
    const int id = ++shared_->next_watch;
    shared_->watches[id] = {base_path, std::move(callback)};
    return std::make_unique<FakeWatch>(shared_, id);
  }

  int lists(const std::string& base_path) const {
    base::MutexLock lock(shared_->mutex);
    return shared_->lists[base_path];
  }
  int settle_checks(const std::string& path) const {
    base::MutexLock lock(shared_->mutex);
    return shared_->settle_checks[path];
  }
  size_t watches() const {
    base::MutexLock lock(shared_->mutex);
    return shared_->watches.size();
  }

 private:
  struct Shared {
    base::Mutex mutex;
    std::map<std::string, std::vector<std::string>> names ABSL_GUARDED_BY(mutex);
    std::map<std::string, absl::Status> errors ABSL_GUARDED_BY(mutex);
    std::set<std::string> unsettled ABSL_GUARDED_BY(mutex);
    std::map<std::string, int> lists ABSL_GUARDED_BY(mutex);
    std::map<std::string, int> settle_checks ABSL_GUARDED_BY(mutex);
    int next_watch ABSL_GUARDED_BY(mutex) = 0;
    std::map<int, std::pair<std::string, std::shared_ptr<absl::AnyInvocable<void()>>>> watches
        ABSL_GUARDED_BY(mutex);
  };
  class FakeWatch final : public Watch {
   public:
    FakeWatch(std::shared_ptr<Shared> shared, int id) : shared_(std::move(shared)), id_(id) {}
    ~FakeWatch() override {
      base::MutexLock lock(shared_->mutex);
      shared_->watches.erase(id_);
    }

   private:
    const std::shared_ptr<Shared> shared_;
    const int id_;
  };

  const std::shared_ptr<Shared> shared_;
};

}  // namespace baton::testing
