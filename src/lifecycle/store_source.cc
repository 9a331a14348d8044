#include "lifecycle/store_source.h"

#include <pthread.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "lifecycle/model_poll.h"

namespace baton::lifecycle {
namespace {

// How soon to look again at a version that is still being copied, and the least time between two
// looks that the store's watch asks for.
constexpr absl::Duration kSettlePoll = absl::Milliseconds(250);
constexpr absl::Duration kMinWatchGap = absl::Milliseconds(50);

}  // namespace

class StoreSource::Loop {
 public:
  Loop(Options options, storage::ModelStore* store, ServableManager* manager)
      : options_(options), store_(store), manager_(manager), thread_([this] { Run(); }) {}

  ~Loop() {
    {
      base::MutexLock lock(mutex_);
      is_stopping_ = true;
    }
    wake_.NotifyAll();
    thread_.join();
  }

  void SetModels(std::map<std::string, Model> models) {
    base::MutexLock lock(mutex_);
    for (auto it = entries_.begin(); it != entries_.end();) {
      if (models.contains(it->first)) {
        ++it;
        continue;
      }
      manager_->SetDesired(it->first, {});
      it = entries_.erase(it);
    }
    for (auto& [name, model] : models) {
      const auto [it, is_new] = entries_.try_emplace(name);
      Entry& entry = it->second;
      if (is_new) entry.incarnation = ++last_id_;
      if (!is_new && entry.model == model) continue;
      entry.model = std::move(model);
      entry.generation = ++last_id_;
      entry.is_loud = true;
      if (options_.poll_interval >= absl::ZeroDuration()) entry.due = options_.clock->Now();
    }
    wake_.NotifyAll();
  }

 private:
  // What is asked for, and when to look next.
  struct Entry {
    Model model;
    uint64_t incarnation = 0;  // changes when the model is left out and comes back
    uint64_t generation = 0;   // changes with every change
    absl::Time due = absl::InfiniteFuture();
    absl::Time regular_due = absl::InfinitePast();  // the next poll that logs its findings
    absl::Time last_start = absl::InfinitePast();
    bool is_loud = true;
  };
  // What the poll thread knows about a model.
  struct View {
    uint64_t incarnation = 0;
    std::string base_path;
    PollMemory memory;
    std::vector<int64_t> desired;  // told to the manager
    bool has_told = false;
    std::unique_ptr<storage::ModelStore::Watch> watch;
  };

  void Run() {
    pthread_setname_np(pthread_self(), "store-source");
    std::string name;
    Entry entry;
    while (WaitForDue(&name, &entry)) {
      // Views of models that are gone die here and not in SetModels: ending a watch waits for its
      // callback.
      DropOldViews();
      View& view = views_[name];
      if (view.incarnation != entry.incarnation) {
        view = View();
        view.incarnation = entry.incarnation;
      }
      if (view.base_path != entry.model.base_path) {
        view.watch = nullptr;
        view.memory.settled.clear();
        // A version that serves goes on serving from where it was loaded.
        view.memory.settled.insert(view.desired.begin(), view.desired.end());
        view.base_path = entry.model.base_path;
      }
      Watch(name, view);
      PollResult result = PollModel(*store_, name, entry.model, entry.is_loud, view.memory);
      // A watch stays with the directory it was started on, not with the path.
      if (!result.is_readable) view.watch = nullptr;
      Finish(name, entry, view, std::move(result));
    }
    views_.clear();
  }

  // Waits until a model is due and takes it. False when stopping.
  bool WaitForDue(std::string* name, Entry* taken) {
    base::MutexLock lock(mutex_);
    while (!is_stopping_) {
      const absl::Time now = options_.clock->Now();
      auto next = entries_.end();
      for (auto it = entries_.begin(); it != entries_.end(); ++it) {
        if (next == entries_.end() || it->second.due < next->second.due) next = it;
      }
      if (next != entries_.end() && next->second.due <= now) {
        Entry& entry = next->second;
        *name = next->first;
        if (now >= entry.regular_due) entry.is_loud = true;
        *taken = entry;
        entry.is_loud = false;
        entry.last_start = now;
        entry.due = absl::InfiniteFuture();
        if (taken->is_loud) entry.regular_due = now + options_.poll_interval;
        if (options_.poll_interval > absl::ZeroDuration()) entry.due = entry.regular_due;
        return true;
      }
      const absl::Duration wait =
          next == entries_.end() ? absl::InfiniteDuration() : next->second.due - now;
      wake_.WaitUntil(
          mutex_, wait == absl::InfiniteDuration() ? absl::InfiniteFuture() : absl::Now() + wait);
    }
    return false;
  }

  void DropOldViews() {
    base::MutexLock lock(mutex_);
    for (auto it = views_.begin(); it != views_.end();) {
      const auto entry = entries_.find(it->first);
      if (entry != entries_.end()) {
        ++it;
        continue;
      }
      old_watches_.push_back(std::move(it->second.watch));
      it = views_.erase(it);
    }
  }

  void Watch(const std::string& name, View& view) {
    old_watches_.clear();
    if (view.watch != nullptr || options_.poll_interval <= absl::ZeroDuration()) return;
    view.watch = store_->StartWatch(view.base_path, [this, name] {
      base::MutexLock lock(mutex_);
      const auto entry = entries_.find(name);
      if (entry == entries_.end()) return;
      const absl::Time soon =
          std::max(options_.clock->Now(), entry->second.last_start + kMinWatchGap);
      entry->second.due = std::min(entry->second.due, soon);
      wake_.NotifyAll();
    });
  }

  void Finish(const std::string& name, const Entry& polled, View& view, PollResult result) {
    std::vector<int64_t> desired;
    if (result.desired.has_value()) {
      for (const DesiredVersion& version : *result.desired) desired.push_back(version.version);
    }
    base::MutexLock lock(mutex_);
    const auto entry = entries_.find(name);
    // What was polled is not what is wanted any more: the new wish is due already.
    if (entry == entries_.end() || entry->second.generation != polled.generation) return;
    if (result.desired.has_value() && (!view.has_told || desired != view.desired)) {
      view.has_told = true;
      view.desired = std::move(desired);
      // Under the lock, so that it cannot overtake the un-desiring of SetModels; it only queues.
      manager_->SetDesired(name, *std::move(result.desired));
    }
    if (result.is_unsettled) {
      entry->second.due = std::min(entry->second.due, options_.clock->Now() + kSettlePoll);
    }
  }

  const Options options_;
  storage::ModelStore* const store_;
  ServableManager* const manager_;

  base::Mutex mutex_;
  base::CondVar wake_;
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);

  // Poll thread only.
  std::map<std::string, View> views_;
  std::vector<std::unique_ptr<storage::ModelStore::Watch>> old_watches_;
  std::thread thread_;
};

StoreSource::StoreSource(Options options, storage::ModelStore* store, ServableManager* manager)
    : loop_(std::make_unique<Loop>(options, store, manager)) {}

StoreSource::~StoreSource() = default;

void StoreSource::SetModels(std::map<std::string, Model> models) {
  loop_->SetModels(std::move(models));
}

}  // namespace baton::lifecycle
