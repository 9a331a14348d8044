#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "engine/engine.h"

namespace baton::engine {

struct EngineRegistryOptions {
  std::string directory;                                     // empty: DefaultPluginDirectory()
  std::string default_engine = "tensorflow";                 // takes what no other engine claims
  std::map<std::string, EngineOptions> engine_options = {};  // for create, by engine name
};

// Every engine the process can use: files baton_engine_<name>.so of one folder, and engines that
// were added.
//
// A plug-in is loaded when it is first needed, and the default engine only when no other one claims
// a path: TensorFlow costs 300 MB. An engine that failed to load is tried again the next time.
//
// Threads: thread-safe; calls that load a plug-in block others. Owner: the server; outlives every
// model. Errors: kNotFound for an engine that is not there, kFailedPrecondition for one that cannot
// be loaded.
class EngineRegistry {
 public:
  explicit EngineRegistry(EngineRegistryOptions options);

  // An engine that is not a plug-in; replaces one of the same name that was not used yet.
  void Add(std::unique_ptr<Engine> engine);

  // Names of all engines, sorted; none is loaded for it.
  std::vector<std::string> Names() const;

  absl::StatusOr<Engine*> Get(std::string_view name);

  // Those that are in use, in the order in which they came; never loads one and never waits for
  // one that is being loaded.
  std::vector<Engine*> Loaded() const;

  // The engine for a version directory: the first in name order whose probe says yes; then the
  // default engine, whatever its probe says, since its load error is the one clients know; then the
  // first that says maybe.
  absl::StatusOr<Engine*> ForPath(const std::string& path);

 private:
  struct Entry {
    std::string file;  // empty: added, not a plug-in
    std::unique_ptr<Engine> engine;
  };

  absl::StatusOr<Engine*> GetLocked(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const EngineRegistryOptions options_;
  std::string directory_;
  void Publish(Engine* engine);

  mutable base::Mutex mutex_;
  std::map<std::string, Entry, std::less<>> entries_ ABSL_GUARDED_BY(mutex_);
  mutable base::Mutex loaded_mutex_;  // may be taken while mutex_ is held
  std::vector<Engine*> loaded_ ABSL_GUARDED_BY(loaded_mutex_);
};

// <folder of the executable>/../lib/baton/engines, or else the first of engines/ beside the
// executable and that folder itself that holds a plug-in.
std::string DefaultPluginDirectory();

}  // namespace baton::engine
