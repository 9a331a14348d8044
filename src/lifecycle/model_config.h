#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "lifecycle/version_policy.h"

namespace baton::lifecycle {

// One entry of a model configuration (ModelConfig), already checked for form: name and path may still be wrong.
struct ModelConfig {
  std::string name;
  std::string base_path;
  std::string platform;  // "tensorflow"; empty when the file said nothing
  VersionPolicy policy = LatestVersions{};
  std::map<std::string, int64_t> labels;
  bool has_logging = false;          // logging_config was given
  // What the deprecated model_type field said: platform was derived from it, or both were set (an error to report).
  enum class TypeField { kUnset, kTensorflow, kOther } type_field = TypeField::kUnset;
  bool operator==(const ModelConfig&) const = default;
};

using ModelConfigs = std::vector<ModelConfig>;

}  // namespace baton::lifecycle
