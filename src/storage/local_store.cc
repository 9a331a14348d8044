#include "storage/local_store.h"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "storage/version_dir.h"

namespace baton::storage {
namespace {

constexpr std::string_view kFileScheme = "file://";
constexpr size_t kMaxSkewed = 1024;

absl::StatusOr<std::string> LocalPath(const std::string& path) {
  if (path.starts_with(kFileScheme)) return path.substr(kFileScheme.size());
  const size_t scheme = path.find("://");
  if (scheme == std::string::npos || path.starts_with('/')) return path;
  return absl::UnimplementedError(absl::StrFormat(
      "File system scheme '%s' not implemented (file: '%s')", path.substr(0, scheme), path));
}

class LocalWatch final : public ModelStore::Watch {
 public:
  LocalWatch(std::shared_ptr<DirWatcher> watcher, uint64_t id)
      : watcher_(std::move(watcher)), id_(id) {}
  ~LocalWatch() override { watcher_->Unsubscribe(id_); }

 private:
  const std::shared_ptr<DirWatcher> watcher_;
  const uint64_t id_;
};

}  // namespace

LocalStore::LocalStore(Options options, ProbeFn probe)
    : options_(options), probe_(std::move(probe)), watcher_(std::make_shared<DirWatcher>()) {}

absl::StatusOr<std::vector<StoredVersion>> LocalStore::ListVersions(const std::string& base_path) {
  BATON_ASSIGN_OR_RETURN(const std::string path, LocalPath(base_path));
  DIR* dir = opendir(path.c_str());
  if (dir == nullptr) return FileError(errno, base_path);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(dir)) {
    if (ParseVersionName(entry->d_name).has_value()) names.emplace_back(entry->d_name);
    errno = 0;
  }
  const int error = errno;
  closedir(dir);
  if (error != 0) return FileError(error, base_path);
  std::sort(names.begin(), names.end());

  const std::string_view slash = path.ends_with('/') ? "" : "/";
  std::vector<StoredVersion> versions;
  versions.reserve(names.size());
  for (const std::string& name : names) {
    versions.push_back({*ParseVersionName(name), base::StrCat(path, slash, name)});
  }
  return versions;
}

absl::StatusOr<bool> LocalStore::IsSettled(const StoredVersion& version) {
  const absl::StatusOr<absl::Time> change = NewestChange(version.path);
  if (!change.ok()) return change.status();
  const absl::Duration quiet = QuietFor(version.path, *change);
  if (quiet < options_.settle) return false;
  const bool is_settled = quiet >= options_.settle_broken || LooksWhole(version.path);
  if (is_settled) {
    base::MutexLock lock(mutex_);
    skewed_.erase(version.path);
  }
  return is_settled;
}

std::unique_ptr<ModelStore::Watch> LocalStore::StartWatch(const std::string& base_path,
                                                          absl::AnyInvocable<void()> changed) {
  const absl::StatusOr<std::string> path = LocalPath(base_path);
  if (!path.ok()) return nullptr;
  const uint64_t id = watcher_->Subscribe(*path, std::move(changed));
  return id == 0 ? nullptr : std::make_unique<LocalWatch>(watcher_, id);
}

bool LocalStore::LooksWhole(const std::string& path) const {
  const SavedModelState saved_model = InspectSavedModel(path);
  if (saved_model == SavedModelState::kPartial) return false;
  const ArtifactState probed = probe_ ? probe_(path) : ArtifactState::kUnknown;
  return saved_model == SavedModelState::kWhole ? probed != ArtifactState::kPartial
                                                : probed == ArtifactState::kWhole;
}

// A file server's clock may be ahead of ours, by hours at worst: then what counts is how long we
// ourselves have seen the same change time.
absl::Duration LocalStore::QuietFor(const std::string& path, absl::Time change) {
  const absl::Time now = options_.clock->Now();
  if (change <= now) return now - change;
  base::MutexLock lock(mutex_);
  if (skewed_.size() >= kMaxSkewed && !skewed_.contains(path)) skewed_.clear();
  const auto [entry, is_new] = skewed_.try_emplace(path, Skewed{change, now});
  if (!is_new && entry->second.change != change) entry->second = {change, now};
  return now - entry->second.since;
}

}  // namespace baton::storage
