#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace baton::storage {

// One numbered child of a base path.
struct StoredVersion {
  int64_t version = 0;
  std::string path;  // full path of the version's directory
};

// Where artifacts live.
//
// Threads: thread-safe; calls may block on a file system: background executors only. Owner:
// server/; sources borrow. Errors: kNotFound for a base path that is not there, otherwise what the
// file system says.
class ModelStore {
 public:
  virtual ~ModelStore() = default;

  // Children of `base_path` whose whole name is a number, in order of name (so that of 001 and 1
  // the last is 1). Duplicated numbers are returned as found.
  virtual absl::StatusOr<std::vector<StoredVersion>> ListVersions(const std::string& base_path) = 0;

  // Whether the version's files have stopped changing and look whole. false: ask again later.
  virtual absl::StatusOr<bool> IsSettled(const StoredVersion& version) = 0;

  // Calls `changed` (on any thread, often more than once) when something happens under `base_path`,
  // until the returned subscription is destroyed. A store that cannot watch returns a null pointer:
  // polling is always on as well.
  class Watch {
   public:
    virtual ~Watch() = default;
  };
  virtual std::unique_ptr<Watch> StartWatch(const std::string& base_path,
                                            absl::AnyInvocable<void()> changed) = 0;
};

}  // namespace baton::storage
