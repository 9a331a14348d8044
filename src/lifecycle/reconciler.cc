#include "lifecycle/reconciler.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/buffer.h"
#include "base/log.h"
#include "base/strings.h"

namespace baton::lifecycle {
namespace {

// "NOT_FOUND: text", as clients and log readers know it.
std::string Text(const absl::Status& status) {
  return base::StrCat(base::CodeName(status.code()), ": ", base::Message(status));
}

absl::Status LoadCancelled() { return absl::CancelledError("Loading of servable cancelled"); }

bool IsLive(VersionSnapshot::Phase phase) {
  using Phase = VersionSnapshot::Phase;
  return phase == Phase::kLoading || phase == Phase::kReady || phase == Phase::kUnloading;
}

}  // namespace

Reconciler::Reconciler(LoadOptions options, ServableFactory* factory, ServableRegistry* registry,
                       StateMonitor* monitor, base::Executor* load_executor, base::Executor* reaper,
                       Post post)
    : options_(options),
      factory_(factory),
      registry_(registry),
      monitor_(monitor),
      load_executor_(load_executor),
      reaper_(reaper),
      post_(std::move(post)) {}

void Reconciler::SetDesired(const std::string& name, const std::vector<DesiredVersion>& versions) {
  std::set<int64_t> wanted;
  for (const DesiredVersion& version : versions) wanted.insert(version.version);
  UndesireOthers(name, wanted);
  for (const DesiredVersion& version : versions) Desire({name, version.version}, version.path);
  Advance(name);
  FlushRetired();
}

void Reconciler::RetireAll() {
  std::vector<std::string> names;
  for (const auto& [name, versions] : models_) names.push_back(name);
  for (const std::string& name : names) {
    UndesireOthers(name, {});
    Advance(name);
  }
  FlushRetired();
}

void Reconciler::Desire(const ServableId& id, const std::string& path) {
  const auto [entry, is_new] = models_[id.name].try_emplace(id.version);
  Version& version = entry->second;
  version.desired = true;
  // Only the number matters: a version that is loaded or failed stays so when its files are
  // elsewhere now. The path is for the next load.
  version.path = path;
  if (is_new) monitor_->Update(id, VersionState::kStart);
}

void Reconciler::UndesireOthers(const std::string& name, const std::set<int64_t>& wanted) {
  const auto model = models_.find(name);
  if (model == models_.end()) return;
  Versions& versions = model->second;
  for (auto it = versions.begin(); it != versions.end();) {
    auto& [number, version] = *it;
    const bool is_over =
        version.desired && !wanted.contains(number) && Undesire({name, number}, version);
    it = is_over ? versions.erase(it) : std::next(it);
  }
}

bool Reconciler::Undesire(const ServableId& id, Version& version) {
  version.desired = false;
  switch (version.phase) {
    case Phase::kFailed:
      return true;  // END was said when it failed; coming back, it is a new version
    case Phase::kNew:
      monitor_->Update(id, VersionState::kEnd, LoadCancelled());
      return true;
    case Phase::kLoading:
      if (version.load != nullptr) {
        version.load->Cancel();  // OnLoaded sees to the rest
        return false;
      }
      base::LogInfo(
          base::StrCat("Retrying of Loading servable: ", id.DebugString(), " was cancelled."));
      SetPhase(version, Phase::kFailed);
      monitor_->Update(id, VersionState::kEnd, LoadCancelled());
      return true;
    case Phase::kReady:
    case Phase::kUnloading:
      return false;
  }
  return false;
}

void Reconciler::Advance(const std::string& name) {
  const auto model = models_.find(name);
  if (model == models_.end()) return;
  while (true) {
    std::vector<VersionSnapshot> snapshots;
    for (const auto& [number, version] : model->second) {
      snapshots.push_back({number, version.desired, version.phase});
    }
    const std::optional<TransitionAction> action = NextTransition(snapshots);
    if (!action.has_value()) break;
    Version& version = model->second.at(action->version);
    if (action->kind == TransitionAction::Kind::kLoad) {
      StartLoad({name, action->version}, version);
    } else {
      Retire({name, action->version}, version);
    }
  }
  if (model->second.empty()) models_.erase(model);
}

void Reconciler::SetPhase(Version& version, Phase phase) {
  live_ += static_cast<int>(IsLive(phase)) - static_cast<int>(IsLive(version.phase));
  version.phase = phase;
}

void Reconciler::StartLoad(const ServableId& id, Version& version) {
  SetPhase(version, Phase::kLoading);
  version.attempts = 0;
  version.end_status = absl::OkStatus();
  base::LogInfo(
      base::StrCat("Successfully reserved resources to load servable ", id.DebugString()));
  base::LogInfo(base::StrCat("Approving load for servable version ", id.DebugString()));
  monitor_->Update(id, VersionState::kLoading);
  base::LogInfo(base::StrCat("Loading servable version ", id.DebugString()));
  Attempt(id, version);
}

void Reconciler::Attempt(const ServableId& id, Version& version) {
  version.retry_at = absl::InfiniteFuture();
  version.load = std::make_shared<predict::Cancellation>();
  load_executor_->Schedule(
      [this, id, path = version.path, factory = factory_, post = post_, load = version.load] {
        // The queue before a load can be long; what nobody wants any more is not worth one.
        LoadResult result =
            load->cancelled() ? LoadResult(LoadCancelled()) : factory->Load(id, path, load);
        // `this` is used on its own thread only, and not at all when that has ended.
        post([this, id, result = std::move(result)]() mutable { OnLoaded(id, std::move(result)); });
      });
}

absl::Time Reconciler::NextTimer() const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [name, versions] : models_) {
    for (const auto& [number, version] : versions) next = std::min(next, version.retry_at);
  }
  return next;
}

void Reconciler::RunTimers() {
  const absl::Time now = options_.clock->Now();
  for (auto& [name, versions] : models_) {
    for (auto& [number, version] : versions) {
      if (version.retry_at > now) continue;
      const ServableId id{name, number};
      base::LogInfo(base::StrCat("Retrying of Loading servable: ", id.DebugString(),
                                 " retry: ", version.attempts));
      Attempt(id, version);
    }
  }
}

void Reconciler::OnLoaded(const ServableId& id, LoadResult result) {
  Version* const version = Find(id);
  if (version == nullptr || version->load == nullptr) return;
  const bool was_cancelled = version->load->cancelled();
  version->load = nullptr;
  ++version->attempts;
  if (was_cancelled) {
    OnCancelled(id, *version, std::move(result));
    return;
  }
  if (!result.ok()) {
    base::LogError(
        base::StrCat("Loading servable: ", id.DebugString(), " failed: ", Text(result.status())));
  }
  const bool is_last = version->attempts > options_.max_load_retries;
  if (is_last) {
    base::LogInfo(base::StrCat("Retrying of Loading servable: ", id.DebugString(),
                               " exhausted max_num_retries: ", options_.max_load_retries));
  }
  if (result.ok()) {
    MakeReady(id, *version, *std::move(result));
  } else if (is_last) {
    Fail(id, *version, std::move(result).status());
  } else {
    version->retry_at = options_.clock->Now() + options_.load_retry_interval;
  }
}

// Un-desired while loading, even if desired again since: the load is discarded and END says so;
// what is wanted again is then loaded afresh.
void Reconciler::OnCancelled(const ServableId& id, Version& version, LoadResult result) {
  base::LogInfo(base::StrCat("Encountered an error for servable version ", id.DebugString(), ": ",
                             Text(LoadCancelled())));
  version.end_status = LoadCancelled();
  SetPhase(version, Phase::kUnloading);
  if (!result.ok()) {
    OnReleased(id);
    return;
  }
  reaper_->Schedule([this, id, servable = *std::move(result), post = post_]() mutable {
    servable.reset();
    post([this, id] { OnReleased(id); });
  });
}

void Reconciler::MakeReady(const ServableId& id, Version& version,
                           std::unique_ptr<Servable> servable) {
  base::LogInfo(base::StrCat("Successfully loaded servable version ", id.DebugString()));
  version.servable = Share(id, std::move(servable));
  SetPhase(version, Phase::kReady);
  // Published first: a request sent after AVAILABLE was seen succeeds.
  Publish();
  monitor_->Update(id, VersionState::kAvailable);
  Advance(id.name);
  FlushRetired();
}

void Reconciler::Fail(const ServableId& id, Version& version, absl::Status status) {
  base::LogInfo(base::StrCat("Encountered an error for servable version ", id.DebugString(), ": ",
                             Text(status)));
  base::LogError(base::StrCat("Servable ", id.DebugString(), " cannot be loaded: ", Text(status)));
  SetPhase(version, Phase::kFailed);
  monitor_->Update(id, VersionState::kEnd, std::move(status));
  Advance(id.name);
  FlushRetired();
}

void Reconciler::Retire(const ServableId& id, Version& version) {
  base::LogInfo(base::StrCat("Quiescing servable version ", id.DebugString()));
  SetPhase(version, Phase::kUnloading);
  version.end_status = absl::OkStatus();
  // Announced first, removed from the registry after: nobody is surprised by a model that is gone.
  monitor_->Update(id, VersionState::kUnloading);
  retired_.push_back(std::move(version.servable));
  version.servable = nullptr;
}

void Reconciler::OnReleased(const ServableId& id) {
  Version* const version = Find(id);
  if (version == nullptr || version->phase != Phase::kUnloading) return;
  SetPhase(*version, Phase::kNew);
  monitor_->Update(id, VersionState::kEnd, version->end_status);
  if (version->desired) {
    monitor_->Update(id, VersionState::kStart);
  } else {
    models_[id.name].erase(id.version);
  }
  Advance(id.name);
  FlushRetired();
}

// The last one to let go may be a request thread: it only hands the servable to the reaper.
std::shared_ptr<Servable> Reconciler::Share(const ServableId& id,
                                            std::unique_ptr<Servable> servable) const {
  auto release = [self = const_cast<Reconciler*>(this), id, reaper = reaper_,
                  post = post_](Servable* raw) {
    reaper->Schedule([self, id, post, servable = std::unique_ptr<Servable>(raw)]() mutable {
      base::LogInfo(base::StrCat("Done quiescing servable version ", id.DebugString()));
      base::LogInfo(base::StrCat("Unloading just-loaded servable version ", id.DebugString()));
      servable.reset();
      base::Buffer::TrimPool();
      base::LogInfo(base::StrCat("Done unloading servable version ", id.DebugString()));
      post([self, id] { self->OnReleased(id); });
    });
  };
  return std::shared_ptr<Servable>(servable.release(), std::move(release));
}

Reconciler::Version* Reconciler::Find(const ServableId& id) {
  const auto model = models_.find(id.name);
  if (model == models_.end()) return nullptr;
  const auto version = model->second.find(id.version);
  return version == model->second.end() ? nullptr : &version->second;
}

absl::Status Reconciler::CheckLabels(const Labels& labels, bool allow_unavailable) const {
  for (const auto& [name, versions_by_label] : labels) {
    const auto model = models_.find(name);
    const auto old = labels_.find(name);
    for (const auto& [label, number] : versions_by_label) {
      if (model != models_.end()) {
        const auto version = model->second.find(number);
        if (version != model->second.end() && version->second.phase == Phase::kReady) continue;
      }
      bool is_move = false;
      if (old != labels_.end()) {
        const auto before = old->second.find(label);
        is_move = before != old->second.end() && before->second != number;
      }
      if (allow_unavailable && !is_move) continue;
      return absl::FailedPreconditionError(
          base::StrCat("Request to assign label to version ", number, " of model ", name,
                       ", which is not currently available for inference"));
    }
  }
  return absl::OkStatus();
}

absl::Status Reconciler::SetLabels(const Labels& labels, bool allow_unavailable) {
  absl::Status status = CheckLabels(labels, allow_unavailable);
  if (!status.ok()) return status;
  labels_ = labels;
  labels_ready_ = true;
  Publish();
  return absl::OkStatus();
}

void Reconciler::Publish() {
  Catalog catalog;
  catalog.labels = labels_;
  catalog.labels_ready = labels_ready_;
  for (const auto& [name, versions] : models_) {
    for (const auto& [number, version] : versions) {
      if (version.servable != nullptr) catalog.models[name][number] = version.servable;
    }
  }
  registry_->Publish(catalog);
}

void Reconciler::FlushRetired() {
  if (retired_.empty()) return;
  Publish();
  retired_.clear();
}

}  // namespace baton::lifecycle
