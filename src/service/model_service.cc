#include "service/model_service.h"

#include <utility>

namespace baton::service {

absl::StatusOr<std::vector<lifecycle::VersionStatus>> ModelService::Status(
    const predict::ModelSpec& spec) const {
  return monitor_->Get(spec.name, spec.version);
}

void Health::SetReady(bool ready) {
  if (ready_.exchange(ready, std::memory_order_acq_rel) == ready) return;
  for (auto& listener : listeners_) listener(ready);
}

void Health::AddListener(absl::AnyInvocable<void(bool)> listener) {
  listeners_.push_back(std::move(listener));
}

}  // namespace baton::service
