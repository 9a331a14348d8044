#include "service/model_metrics.h"

#include "base/strings.h"

namespace baton::service {
namespace {

constexpr std::string_view kState = "baton_model_state";
constexpr std::string_view kStateHelp =
    "State of a model version: 10 start, 20 loading, 30 available, 40 unloading, 50 end.";

metrics::Labels LabelsOf(const std::string& model, int64_t version) {
  return {{"model", model}, {"version", base::StrCat(version)}};
}

}  // namespace

ModelMetrics::ModelMetrics(metrics::Registry* registry, lifecycle::StateMonitor* monitor,
                           RequestMetrics* requests)
    : registry_(registry), requests_(requests) {
  monitor->AddListener(
      [this](const lifecycle::ServableId& id, const lifecycle::VersionStatus& status) {
        OnState(id, status.state);
      });
}

void ModelMetrics::OnState(const lifecycle::ServableId& id, lifecycle::VersionState state) {
  base::MutexLock lock(mutex_);
  registry_->ShareGauge(kState, kStateHelp, LabelsOf(id.name, id.version))
      ->Set(static_cast<double>(state));
  std::deque<int64_t>& ended = ended_[id.name];
  std::erase(ended, id.version);
  if (state != lifecycle::VersionState::kEnd) return;
  ended.push_back(id.version);
  if (ended.size() <= kKeptVersions) return;
  registry_->Remove(kState, LabelsOf(id.name, ended.front()));
  if (requests_ != nullptr) requests_->Forget(id.name, ended.front());
  ended.pop_front();
}

}  // namespace baton::service
