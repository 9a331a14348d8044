#pragma once

// The checks of a model configuration that need nothing but configurations (contract §5.7, steps 3,
// 4, 5 and 8), each with the contract's code and text. Pure.

#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lifecycle/model_config.h"

namespace baton::lifecycle {

// No name twice; every base path absolute or a URI.
absl::Status CheckNamesAndPaths(const ModelConfigs& configs);

// What model_platform or the deprecated model_type says.
absl::StatusOr<std::string> PlatformOf(const ModelConfig& config);

// No model that `current` names has another platform in `next`.
absl::Status CheckPlatformsKept(const ModelConfigs& current, const ModelConfigs& next);

// Every model has a platform, and one that is known.
absl::Status CheckPlatformsKnown(const ModelConfigs& configs, const std::set<std::string>& known);

}  // namespace baton::lifecycle
