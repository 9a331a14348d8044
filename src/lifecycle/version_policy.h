#pragma once

#include <cstdint>
#include <variant>
#include <vector>

namespace baton::lifecycle {

// Which of the versions found should serve (ModelConfig.model_version_policy).
struct LatestVersions {
  uint32_t count = 1;  // 0 means 1
  bool operator==(const LatestVersions&) const = default;
};
struct AllVersions {
  bool operator==(const AllVersions&) const = default;
};
struct SpecificVersions {
  std::vector<int64_t> versions;
  bool operator==(const SpecificVersions&) const = default;
};
using VersionPolicy = std::variant<LatestVersions, AllVersions, SpecificVersions>;

// Pure. `found` in any order, without duplicates; the result is ascending. `missing` gets the
// specific versions that were asked for and not found, when it is not null.
std::vector<int64_t> SelectVersions(const VersionPolicy& policy, std::vector<int64_t> found,
                                    std::vector<int64_t>* missing = nullptr);

}  // namespace baton::lifecycle
