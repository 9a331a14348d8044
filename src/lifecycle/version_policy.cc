#include "lifecycle/version_policy.h"

#include <algorithm>
#include <set>

namespace baton::lifecycle {
namespace {

std::vector<int64_t> SelectSpecific(const SpecificVersions& policy,
                                    const std::vector<int64_t>& found,
                                    std::vector<int64_t>* missing) {
  std::vector<int64_t> selected;
  for (const int64_t version : std::set<int64_t>(policy.versions.begin(), policy.versions.end())) {
    if (std::binary_search(found.begin(), found.end(), version)) {
      selected.push_back(version);
    } else if (missing != nullptr) {
      missing->push_back(version);
    }
  }
  return selected;
}

}  // namespace

std::vector<int64_t> SelectVersions(const VersionPolicy& policy, std::vector<int64_t> found,
                                    std::vector<int64_t>* missing) {
  std::sort(found.begin(), found.end());
  if (const auto* specific = std::get_if<SpecificVersions>(&policy)) {
    return SelectSpecific(*specific, found, missing);
  }
  if (const auto* latest = std::get_if<LatestVersions>(&policy)) {
    const size_t count = std::max<size_t>(latest->count, 1);
    if (found.size() > count) {
      found.erase(found.begin(), found.end() - static_cast<std::ptrdiff_t>(count));
    }
  }
  return found;
}

}  // namespace baton::lifecycle
