#include "lifecycle/state_monitor.h"

#include <utility>

#include "base/strings.h"

namespace baton::lifecycle {

std::string_view Name(VersionState state) {
  switch (state) {
    case VersionState::kUnknown:
      return "UNKNOWN";
    case VersionState::kStart:
      return "START";
    case VersionState::kLoading:
      return "LOADING";
    case VersionState::kAvailable:
      return "AVAILABLE";
    case VersionState::kUnloading:
      return "UNLOADING";
    case VersionState::kEnd:
      return "END";
  }
  return "UNKNOWN";
}

void StateMonitor::Update(const ServableId& id, VersionState state, absl::Status status) {
  const VersionStatus next{id.version, state, std::move(status)};
  {
    base::MutexLock lock(mutex_);
    states_[id.name][id.version] = next;
  }
  for (Listener& listener : listeners_) listener(id, next);
}

absl::StatusOr<std::vector<VersionStatus>> StateMonitor::Get(std::string_view name,
                                                             std::optional<int64_t> version) const {
  base::MutexLock lock(mutex_);
  const auto model = states_.find(name);
  if (version.has_value()) {
    if (model != states_.end()) {
      const auto found = model->second.find(*version);
      if (found != model->second.end()) return std::vector<VersionStatus>{found->second};
    }
    return absl::NotFoundError(
        base::StrCat("Could not find version ", *version, " of model ", name));
  }
  if (model == states_.end()) {
    return absl::NotFoundError(base::StrCat("Could not find any versions of model ", name));
  }
  std::vector<VersionStatus> versions;
  for (auto it = model->second.rbegin(); it != model->second.rend(); ++it) {
    versions.push_back(it->second);
  }
  return versions;
}

std::map<std::string, std::vector<VersionStatus>> StateMonitor::All() const {
  base::MutexLock lock(mutex_);
  std::map<std::string, std::vector<VersionStatus>> all;
  for (const auto& [name, versions] : states_) {
    for (auto it = versions.rbegin(); it != versions.rend(); ++it) all[name].push_back(it->second);
  }
  return all;
}

void StateMonitor::AddListener(Listener listener) { listeners_.push_back(std::move(listener)); }

}  // namespace baton::lifecycle
