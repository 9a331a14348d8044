#include "lifecycle/servable_registry.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"

namespace baton::lifecycle {
namespace {

using Labels = base::StringMap<int64_t>;

// A lease whose reference count belongs to one stripe: the count that all stripes share is touched
// only when a snapshot or a stripe's last lease dies, never per request.
ServableHandle WithOwnCount(std::shared_ptr<Servable> servable) {
  const Servable* const raw = servable.get();
  return ServableHandle(raw, [keep = std::move(servable)](const Servable*) {});
}

absl::Status NotServed(const predict::ModelSpec& spec, std::optional<int64_t> version) {
  if (!version.has_value()) {
    return absl::NotFoundError(
        base::StrCat("Servable not found for request: Latest(", spec.name, ")"));
  }
  return absl::NotFoundError(
      base::StrCat("Servable not found for request: Specific(", spec.name, ", ", *version, ")"));
}

}  // namespace

struct ServableRegistry::Snapshot {
  base::StringMap<std::vector<ServableHandle>> models;  // versions ascending, at least one
  base::StringMap<Labels> labels;
  bool labels_ready = false;

  absl::StatusOr<int64_t> VersionOfLabel(std::string_view name, std::string_view label) const {
    if (!labels_ready) {
      return absl::UnavailableError(base::StrCat("Model labels does not init yet.", label));
    }
    if (const auto model = labels.find(name); model != labels.end()) {
      if (const auto found = model->second.find(label); found != model->second.end()) {
        return found->second;
      }
    }
    return absl::InvalidArgumentError(base::StrCat("Unrecognized servable version label: ", label));
  }
};

ServableRegistry::ServableRegistry() : snapshot_([] { return MakeSnapshot(Catalog()); }) {}

absl::StatusOr<ServableHandle> ServableRegistry::Resolve(const predict::ModelSpec& spec) const {
  if (spec.name.empty()) return absl::InvalidArgumentError("ModelSpec has no name specified.");
  const std::shared_ptr<const Snapshot> snapshot = snapshot_.Load();
  std::optional<int64_t> version = spec.version;
  if (spec.label.has_value()) {
    absl::StatusOr<int64_t> labelled = snapshot->VersionOfLabel(spec.name, *spec.label);
    if (!labelled.ok()) return std::move(labelled).status();
    version = *labelled;
  }
  const auto model = snapshot->models.find(spec.name);
  if (model == snapshot->models.end()) return NotServed(spec, version);
  const std::vector<ServableHandle>& versions = model->second;
  if (!version.has_value()) return versions.back();
  const auto found = std::lower_bound(
      versions.begin(), versions.end(), *version,
      [](const ServableHandle& handle, int64_t wanted) { return handle->id().version < wanted; });
  if (found == versions.end() || (*found)->id().version != *version)
    return NotServed(spec, version);
  return *found;
}

void ServableRegistry::Publish(const Catalog& catalog) {
  snapshot_.Publish([&] { return MakeSnapshot(catalog); });
}

std::vector<ServableId> ServableRegistry::List() const {
  std::vector<ServableId> ids;
  for (const auto& [name, versions] : snapshot_.Load()->models) {
    for (const ServableHandle& handle : versions) ids.push_back(handle->id());
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::shared_ptr<const ServableRegistry::Snapshot> ServableRegistry::MakeSnapshot(
    const Catalog& catalog) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->labels_ready = catalog.labels_ready;
  for (const auto& [name, versions] : catalog.models) {
    if (versions.empty()) continue;
    std::vector<ServableHandle>& handles = snapshot->models[name];
    handles.reserve(versions.size());
    for (const auto& [version, servable] : versions) handles.push_back(WithOwnCount(servable));
  }
  for (const auto& [name, labels] : catalog.labels) {
    if (!labels.empty()) snapshot->labels[name] = Labels(labels.begin(), labels.end());
  }
  return snapshot;
}

}  // namespace baton::lifecycle
