#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lifecycle/version_policy.h"
#include "reqlog/logging_config.h"

namespace baton::lifecycle {

// One entry of a model configuration (ModelConfig), already checked for form: name and path may
// still be wrong.
struct ModelConfig {
  std::string name;
  std::string base_path;
  std::string platform;  // model_platform as given; empty when the file said nothing
  VersionPolicy policy = LatestVersions{};
  std::map<std::string, int64_t> labels;
  std::optional<reqlog::LoggingConfig> logging = {};  // logging_config
  // The deprecated model_type field, which ConfigApplier reads as a platform; setting both is an
  // error it reports.
  enum class TypeField { kUnset, kTensorflow, kOther } type_field = TypeField::kUnset;
  int32_t type_number = 0;  // model_type's number, for the error text of kOther
  bool operator==(const ModelConfig&) const = default;
};

using ModelConfigs = std::vector<ModelConfig>;

}  // namespace baton::lifecycle
