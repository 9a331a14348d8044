#include "engine/engine_registry.h"

#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "engine/plugin_engine.h"
#include "engine/plugin_loader.h"

namespace baton::engine {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "baton_engine_";
constexpr std::string_view kSuffix = ".so";

// "tensorflow" of "baton_engine_tensorflow.so".
std::optional<std::string> EngineName(const std::string& file_name) {
  const std::string_view name = file_name;
  if (name.size() <= kPrefix.size() + kSuffix.size() || !name.starts_with(kPrefix) ||
      !name.ends_with(kSuffix)) {
    return std::nullopt;
  }
  return std::string(name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size()));
}

// Engine name to file.
std::map<std::string, std::string> FindPlugins(const fs::path& directory) {
  std::map<std::string, std::string> found;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    if (auto name = EngineName(it->path().filename().string())) {
      found.emplace(*std::move(name), it->path().string());
    }
  }
  return found;
}

}  // namespace

std::string DefaultPluginDirectory() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  const fs::path installed = (program / ".." / "lib" / "baton" / "engines").lexically_normal();
  for (const fs::path& candidate : {installed, program / "engines", program}) {
    if (!FindPlugins(candidate).empty()) return candidate.string();
  }
  return installed.string();
}

EngineRegistry::EngineRegistry(EngineRegistryOptions options)
    : options_(std::move(options)),
      directory_(options_.directory.empty() ? DefaultPluginDirectory() : options_.directory) {
  base::MutexLock lock(mutex_);
  for (auto& [name, file] : FindPlugins(directory_)) entries_[name].file = file;
}

void EngineRegistry::Add(std::unique_ptr<Engine> engine) {
  std::string name(engine->name());
  base::MutexLock lock(mutex_);
  Entry& entry = entries_[std::move(name)];
  if (entry.engine != nullptr) return;
  entry.engine = std::move(engine);
  Publish(entry.engine.get());
}

void EngineRegistry::Publish(Engine* engine) {
  base::MutexLock lock(loaded_mutex_);
  loaded_.push_back(engine);
}

std::vector<Engine*> EngineRegistry::Loaded() const {
  base::MutexLock lock(loaded_mutex_);
  return loaded_;
}

std::vector<std::string> EngineRegistry::Names() const {
  base::MutexLock lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

absl::StatusOr<Engine*> EngineRegistry::Get(std::string_view name) {
  base::MutexLock lock(mutex_);
  return GetLocked(std::string(name));
}

absl::StatusOr<Engine*> EngineRegistry::GetLocked(const std::string& name) {
  const auto it = entries_.find(name);
  if (it == entries_.end()) {
    return absl::NotFoundError(base::StrCat("no engine \"", name, "\": ", kPrefix, name, kSuffix,
                                            " is not in ", directory_));
  }
  Entry& entry = it->second;
  if (entry.engine != nullptr) return entry.engine.get();
  BATON_ASSIGN_OR_RETURN(const baton_engine_api* api, LoadPlugin(entry.file));
  if (name != api->name) {
    return absl::FailedPreconditionError(
        base::StrCat("engine plug-in ", entry.file, " calls itself \"", api->name, "\""));
  }
  const auto options = options_.engine_options.find(name);
  BATON_ASSIGN_OR_RETURN(entry.engine, NewPluginEngine(api, options == options_.engine_options.end()
                                                                ? EngineOptions()
                                                                : options->second));
  Publish(entry.engine.get());
  base::LogInfo(
      base::StrCat("engine ", name, " ", entry.engine->version(), " loaded from ", entry.file));
  return entry.engine.get();
}

absl::StatusOr<Engine*> EngineRegistry::ForPath(const std::string& path) {
  base::MutexLock lock(mutex_);
  Engine* maybe = nullptr;
  std::string reasons;
  for (const auto& [name, entry] : entries_) {
    if (name == options_.default_engine) continue;
    absl::StatusOr<Engine*> engine = GetLocked(name);
    if (!engine.ok()) {
      base::StrAppend(&reasons, "; ", engine.status().message());
      continue;
    }
    std::string reason;
    const ProbeResult result = (*engine)->Probe(path, &reason);
    if (result == ProbeResult::kYes) return *engine;
    if (result == ProbeResult::kMaybe && maybe == nullptr) maybe = *engine;
    base::StrAppend(&reasons, "; ", name, ": ", reason);
  }
  absl::StatusOr<Engine*> fallback = GetLocked(options_.default_engine);
  if (fallback.ok()) return fallback;
  if (maybe != nullptr) return maybe;
  return absl::Status(fallback.status().code(),
                      base::StrCat(base::Message(fallback.status()), reasons));
}

}  // namespace baton::engine
