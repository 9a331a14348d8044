#include "lifecycle/config_checks.h"

#include <cctype>
#include <map>
#include <set>
#include <string_view>

#include "base/status_macros.h"
#include "base/strings.h"

namespace baton::lifecycle {
namespace {

// "gs://bucket/m": a letter, then letters, digits and dots, then "://".
bool HasScheme(std::string_view path) {
  const size_t end = path.find("://");
  if (end == std::string_view::npos || end == 0) return false;
  if (!std::isalpha(static_cast<unsigned char>(path[0]))) return false;
  for (const char c : path.substr(0, end)) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.') return false;
  }
  return true;
}

}  // namespace

absl::Status CheckNamesAndPaths(const ModelConfigs& configs) {
  std::set<std::string> names;
  for (const ModelConfig& config : configs) {
    if (!names.insert(config.name).second) {
      return absl::InvalidArgumentError(
          base::StrCat("Illegal to list model ", config.name, " multiple times in config list"));
    }
  }
  for (const ModelConfig& config : configs) {
    if (config.base_path.starts_with('/') || HasScheme(config.base_path)) continue;
    return absl::InvalidArgumentError(
        base::StrCat("Expected model ", config.name,
                     " to have an absolute path or URI; got base_path()=", config.base_path));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> PlatformOf(const ModelConfig& config) {
  using TypeField = ModelConfig::TypeField;
  const bool has_type = config.type_field != TypeField::kUnset;
  if (has_type == !config.platform.empty()) {
    return absl::InvalidArgumentError(
        base::StrCat("Illegal setting ", has_type ? "both" : "neither",
                     " ModelServerConfig::model_type (deprecated) ", has_type ? "and" : "nor",
                     " ModelServerConfig::model_platform, model name is ", config.name));
  }
  if (config.type_field == TypeField::kOther) {
    return absl::InvalidArgumentError(base::StrCat("ModelServerConfig::model_type choice ",
                                                   config.type_number, " not supported."));
  }
  return has_type ? std::string("tensorflow") : config.platform;
}

absl::Status CheckPlatformsKept(const ModelConfigs& current, const ModelConfigs& next) {
  std::map<std::string, std::string> platforms;
  for (const ModelConfig& config : current) {
    BATON_ASSIGN_OR_RETURN(platforms[config.name], PlatformOf(config));
  }
  for (const ModelConfig& config : next) {
    const auto before = platforms.find(config.name);
    if (before == platforms.end()) continue;
    BATON_ASSIGN_OR_RETURN(const std::string now, PlatformOf(config));
    if (now == before->second) continue;
    return absl::InvalidArgumentError(
        base::StrCat("Illegal to change a model's platform. For model ", config.name,
                     " platform was ", before->second, " and new platform requested is ", now));
  }
  return absl::OkStatus();
}

absl::Status CheckPlatformsKnown(const ModelConfigs& configs, const std::set<std::string>& known) {
  for (const ModelConfig& config : configs) {
    BATON_ASSIGN_OR_RETURN(const std::string platform, PlatformOf(config));
    if (known.contains(platform)) continue;
    return absl::InvalidArgumentError(
        base::StrCat("Model ", config.name, " requests unsupported platform ", platform));
  }
  return absl::OkStatus();
}

}  // namespace baton::lifecycle
