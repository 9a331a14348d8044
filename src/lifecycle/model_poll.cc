#include "lifecycle/model_poll.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/log.h"
#include "base/strings.h"

namespace baton::lifecycle {
namespace {

constexpr std::string_view kAccessError =
    "FileSystemStoragePathSource encountered a filesystem access error: ";

using Found = std::map<int64_t, std::string>;  // version -> path

void LogListingError(const absl::Status& error, const std::string& name,
                     const std::string& base_path) {
  if (absl::IsNotFound(error)) {
    base::LogError(base::StrCat(kAccessError, "Could not find base path ", base_path,
                                " for servable ", name, " with error ",
                                base::CodeName(error.code()), ": ", base::Message(error)));
  } else {
    base::LogError(base::StrCat(kAccessError, base::Message(error)));
  }
}

// Of "001" and "1" one is version 1: the name that sorts last, but the first when all versions are
// served.
Found WithoutDuplicates(const std::vector<storage::StoredVersion>& listed, const std::string& name,
                        bool keeps_first, PollMemory& memory) {
  Found found;
  std::string duplicates;
  for (const storage::StoredVersion& version : listed) {
    const auto [entry, is_new] = found.try_emplace(version.version, version.path);
    if (is_new) continue;
    std::string loser = version.path;
    if (!keeps_first) std::swap(loser, entry->second);
    base::StrAppend(&duplicates, duplicates.empty() ? "" : "; ", "version ", version.version,
                    " is served from ", entry->second, ", not from ", loser);
  }
  if (duplicates != memory.duplicates && !duplicates.empty()) {
    const std::string text =
        base::StrCat("Duplicate versions of servable ", name, ": ", duplicates);
    keeps_first ? base::LogError(text) : base::LogWarning(text);
  }
  memory.duplicates = std::move(duplicates);
  return found;
}

bool IsSettled(storage::ModelStore& store, int64_t version, const std::string& path,
               PollMemory& memory) {
  if (memory.settled.contains(version)) return true;
  const absl::StatusOr<bool> settled = store.IsSettled({version, path});
  // Gone meanwhile: the next listing knows. Any other error is the engine's to meet and to tell.
  const bool is_settled = settled.ok() ? *settled : !absl::IsNotFound(settled.status());
  if (is_settled) memory.settled.insert(version);
  return is_settled;
}

void LogPolicyWarnings(const std::string& name, const WatchedModel& model,
                       const std::vector<int64_t>& missing) {
  const auto* specific = std::get_if<SpecificVersions>(&model.policy);
  for (const int64_t version : missing) {
    base::LogWarning(base::StrCat(
        "Version ", version, " of servable ", name,
        ", which was requested to be served as a 'specific' version in the servable's version "
        "policy, was not found in the file system"));
  }
  if (specific != nullptr && specific->versions.empty()) {
    base::LogWarning(base::StrCat("No specific versions requested for servable ", name, "."));
  }
}

}  // namespace

PollResult PollModel(storage::ModelStore& store, const std::string& name, const WatchedModel& model,
                     bool is_loud, PollMemory& memory) {
  PollResult result;
  const absl::StatusOr<std::vector<storage::StoredVersion>> listed =
      store.ListVersions(model.base_path);
  if (!listed.ok()) {
    if (is_loud) LogListingError(listed.status(), name, model.base_path);
    result.is_readable = false;
    return result;
  }
  const Found found =
      WithoutDuplicates(*listed, name, std::holds_alternative<AllVersions>(model.policy), memory);
  std::erase_if(memory.settled, [&](int64_t version) { return !found.contains(version); });

  std::vector<int64_t> candidates;
  for (const auto& [version, path] : found) candidates.push_back(version);
  std::vector<int64_t> missing;
  std::vector<int64_t> selected = SelectVersions(model.policy, candidates, &missing);
  if (is_loud) LogPolicyWarnings(name, model, missing);
  const auto* specific = std::get_if<SpecificVersions>(&model.policy);
  if (is_loud && selected.empty() && (specific == nullptr || !specific->versions.empty())) {
    base::LogWarning(
        base::StrCat("No versions of servable ", name, " found under base path ", model.base_path,
                     ". Did you forget to name your leaf directory as a number (eg. '/1/')?"));
  }

  while (true) {
    const size_t before = candidates.size();
    std::erase_if(candidates, [&](int64_t version) {
      return std::binary_search(selected.begin(), selected.end(), version) &&
             !IsSettled(store, version, found.at(version), memory);
    });
    if (candidates.size() == before) break;
    result.is_unsettled = true;
    selected = SelectVersions(model.policy, candidates);
  }
  if (selected.empty() && result.is_unsettled) return result;

  result.desired.emplace();
  for (const int64_t version : selected) {
    result.desired->push_back({version, found.at(version)});
  }
  return result;
}

}  // namespace baton::lifecycle
