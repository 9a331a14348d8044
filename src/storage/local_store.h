#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "storage/dir_watcher.h"
#include "storage/model_store.h"

namespace baton::storage {

// What an engine says to files that are not (only) a SavedModel.
enum class ArtifactState { kUnknown, kPartial, kWhole };
using ProbeFn = std::function<ArtifactState(const std::string& path)>;

// Versions in directories of this machine's file system.
//
// A version is settled when it has been quiet (NewestChange) for `settle` and looks whole: a
// SavedModel whose saved_model.pb ends at a field's border and whose variables have their index and
// all shards, and that no engine finds partial; or whatever else the probe finds whole. What does
// not look whole is settled as well after `settle_broken`: then it is not being copied but broken,
// and the engine's error is what people must see.
//
// Threads: thread-safe; calls block on the file system. Owner: server/. Errors: kNotFound `<path>
// not found`, kUnimplemented for a URI scheme other than file://, otherwise `<path>; <reason>`.
class LocalStore final : public ModelStore {
 public:
  struct Options {
    absl::Duration settle = absl::Seconds(1);
    absl::Duration settle_broken = absl::Seconds(5);
    const base::Clock* clock = &base::Clock::Real();
  };

  // `probe` may be empty; it is called on whatever thread calls IsSettled.
  explicit LocalStore(Options options, ProbeFn probe = nullptr);

  absl::StatusOr<std::vector<StoredVersion>> ListVersions(const std::string& base_path) override;
  absl::StatusOr<bool> IsSettled(const StoredVersion& version) override;
  std::unique_ptr<Watch> StartWatch(const std::string& base_path,
                                    absl::AnyInvocable<void()> changed) override;

 private:
  // A change time seen in the future of our clock, and since when it stands still.
  struct Skewed {
    absl::Time change;
    absl::Time since;
  };

  bool LooksWhole(const std::string& path) const;
  absl::Duration QuietFor(const std::string& path, absl::Time change);

  const Options options_;
  const ProbeFn probe_;
  base::Mutex mutex_;
  std::map<std::string, Skewed> skewed_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<DirWatcher> watcher_;  // shared with the watches, which may outlive the store
};

}  // namespace baton::storage
