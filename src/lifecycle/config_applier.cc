#include "lifecycle/config_applier.h"

#include <list>
#include <optional>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "lifecycle/config_checks.h"

namespace baton::lifecycle {
namespace {

using Done = absl::AnyInvocable<void(absl::Status)>;

// One application whose models have not all been heard of.
struct Wait {
  ConfigApplier::Reason reason = ConfigApplier::Reason::kReload;
  std::set<std::string> names;  // still to be heard of
  std::map<ServableId, absl::Status> failures;
  std::vector<std::string> left_out;  // a later configuration does not name them
  absl::StatusOr<reqlog::RequestLoggers::Update> logging;
  Done done;
};

absl::Status Unavailable(const Wait& wait) {
  const std::string_view noun =
      wait.reason == ConfigApplier::Reason::kStartup ? "servable(s)" : "model(s)";
  // The three opening braces that clients see: the list's, the entry's and the id's own.
  std::string text = base::StrCat(wait.failures.size(), " ", noun, " did not become available: {");
  for (const auto& [id, error] : wait.failures) {
    base::StrAppend(&text, "{", id.DebugString(), " due to error: ", base::CodeName(error.code()),
                    ": ", base::Message(error), "}, ");
  }
  text += '}';
  return absl::UnknownError(text);
}

absl::Status Outcome(const Wait& wait) {
  if (!wait.failures.empty()) return Unavailable(wait);
  if (!wait.left_out.empty()) {
    return absl::CancelledError(
        base::StrCat("model ", wait.left_out.front(),
                     " was left out by a later configuration before it became available"));
  }
  return wait.logging.status();
}

void Finish(Wait wait, reqlog::RequestLoggers* loggers) {
  if (loggers != nullptr && wait.logging.ok()) loggers->Commit(*wait.logging);
  absl::Status status = Outcome(wait);
  if (status.ok()) base::LogInfo("Finished adding/updating models");
  wait.done(std::move(status));
}

std::set<std::string> Names(const ModelConfigs& configs) {
  std::set<std::string> names;
  for (const ModelConfig& config : configs) names.insert(config.name);
  return names;
}

bool IsLoadFailure(const VersionStatus& version) {
  // A cancelled load is no verdict: the version was replaced before it had one.
  return version.state == VersionState::kEnd && !version.status.ok() &&
         !absl::IsCancelled(version.status);
}

}  // namespace

class ConfigApplier::State {
 public:
  State(Options options, StoreSource* source, ServableManager* manager, StateMonitor* monitor)
      : options_(std::move(options)), source_(source), manager_(manager), monitor_(monitor) {}

  void Apply(ModelConfigs configs, Reason reason, Done done) {
    std::vector<Wait> finished;
    absl::Status status;
    {
      base::MutexLock lock(apply_mutex_);
      status =
          IsStopped() ? absl::CancelledError("the server is stopping") : CheckAndSetLabels(configs);
      if (status.ok()) MakeCurrent(std::move(configs), reason, &done, &finished);
    }
    if (!status.ok()) done(std::move(status));
    for (Wait& wait : finished) Finish(std::move(wait), options_.loggers);
  }

  void OnUpdate(const ServableId& id, const VersionStatus& version) {
    const bool is_failure = IsLoadFailure(version);
    if (version.state != VersionState::kAvailable && !is_failure) return;
    std::vector<Wait> finished;
    {
      base::MutexLock lock(mutex_);
      for (Wait& wait : waits_) {
        if (wait.names.erase(id.name) > 0 && is_failure) wait.failures[id] = version.status;
      }
      TakeFinished(&finished);
    }
    for (Wait& wait : finished) Finish(std::move(wait), options_.loggers);
  }

  void Stop() {
    std::list<Wait> waits;
    {
      base::MutexLock lock(mutex_);
      stopped_ = true;
      waits.swap(waits_);
    }
    for (Wait& wait : waits) wait.done(absl::CancelledError("the server is stopping"));
  }

 private:
  bool IsStopped() {
    base::MutexLock lock(mutex_);
    return stopped_;
  }

  // Steps 3 to 8, in the contract's order; nothing is changed unless all succeed.
  absl::Status CheckAndSetLabels(const ModelConfigs& configs)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(apply_mutex_) {
    BATON_RETURN_IF_ERROR(CheckNamesAndPaths(configs));
    BATON_RETURN_IF_ERROR(CheckPlatformsKept(current_, configs));
    ServableManager::Labels labels;
    for (const ModelConfig& config : configs) labels[config.name] = config.labels;
    const bool allow = options_.allow_labels_for_unavailable;
    const absl::Status platforms = CheckPlatformsKnown(configs, options_.platforms);
    if (platforms.ok()) return manager_->SetLabels(std::move(labels), allow);
    // Labels are checked before platforms, but must not be set when these are wrong.
    BATON_RETURN_IF_ERROR(manager_->CheckLabels(std::move(labels), allow));
    return platforms;
  }

  void MakeCurrent(ModelConfigs configs, Reason reason, Done* done, std::vector<Wait>* finished)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(apply_mutex_) {
    base::LogInfo("Adding/updating models.");
    Wait wait;
    wait.reason = reason;
    wait.done = std::move(*done);
    std::map<std::string, StoreSource::Model> models;
    const std::set<std::string> before = Names(current_);
    for (const ModelConfig& config : configs) {
      base::LogInfo(base::StrCat(" (Re-)adding model: ", config.name));
      if (config.type_field != ModelConfig::TypeField::kUnset) {
        base::LogWarning(base::StrCat("Deprecated ModelServerConfig::model_type is set for model ",
                                      config.name, "; use model_platform"));
      }
      models[config.name] = {config.base_path, config.policy};
      if (!before.contains(config.name)) wait.names.insert(config.name);
    }
    wait.logging = PrepareLogging(configs);
    if (configs == current_) AddKnownFailures(configs, &wait);
    current_ = std::move(configs);
    {
      base::MutexLock lock(mutex_);
      const std::set<std::string> names = Names(current_);
      for (Wait& earlier : waits_) {
        std::erase_if(earlier.names, [&](const std::string& name) {
          if (names.contains(name)) return false;
          earlier.left_out.push_back(name);
          return true;
        });
      }
      // Listening starts before the source knows the models. A new name cannot be AVAILABLE
      // already: what un-desired it has passed the manager's queue ahead of the labels.
      if (stopped_) wait.names.clear();  // Stop came in between: do not wait
      waits_.push_back(std::move(wait));
      TakeFinished(finished);
    }
    source_->SetModels(std::move(models));
  }

  absl::StatusOr<reqlog::RequestLoggers::Update> PrepareLogging(const ModelConfigs& configs) {
    reqlog::RequestLoggers::Configs logging;
    for (const ModelConfig& config : configs) {
      if (config.logging.has_value()) logging.emplace(config.name, *config.logging);
    }
    if (options_.loggers != nullptr) return options_.loggers->Prepare(logging);
    if (logging.empty()) return reqlog::RequestLoggers::Update();
    return absl::InvalidArgumentError("No request-logger-creator provided.");
  }

  // Models of an unchanged configuration of which some version failed and none serves.
  void AddKnownFailures(const ModelConfigs& configs, Wait* wait) {
    for (const ModelConfig& config : configs) {
      const auto versions = monitor_->Get(config.name, std::nullopt);
      if (!versions.ok()) continue;
      const VersionStatus* failure = nullptr;
      bool has_hope = false;
      for (const VersionStatus& version : *versions) {
        has_hope = has_hope || version.state != VersionState::kEnd;
        if (failure == nullptr && IsLoadFailure(version)) failure = &version;
      }
      if (has_hope || failure == nullptr) continue;
      wait->failures[{config.name, failure->version}] = failure->status;
    }
  }

  void TakeFinished(std::vector<Wait>* finished) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (auto it = waits_.begin(); it != waits_.end();) {
      if (it->names.empty()) {
        finished->push_back(std::move(*it));
        it = waits_.erase(it);
      } else {
        ++it;
      }
    }
  }

  const Options options_;
  StoreSource* const source_;
  ServableManager* const manager_;
  StateMonitor* const monitor_;

  base::Mutex apply_mutex_;  // one application at a time; taken before mutex_, held while asking
                             // the manager
  ModelConfigs current_ ABSL_GUARDED_BY(apply_mutex_);
  base::Mutex mutex_;
  std::list<Wait> waits_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

ConfigApplier::ConfigApplier(Options options, StoreSource* source, ServableManager* manager,
                             StateMonitor* monitor)
    : state_(std::make_shared<State>(std::move(options), source, manager, monitor)) {
  monitor->AddListener(
      [weak = std::weak_ptr<State>(state_)](const ServableId& id, const VersionStatus& version) {
        if (const std::shared_ptr<State> state = weak.lock()) state->OnUpdate(id, version);
      });
}

ConfigApplier::~ConfigApplier() { Stop(); }

void ConfigApplier::Stop() { state_->Stop(); }

void ConfigApplier::Apply(ModelConfigs configs, Reason reason, Done done) {
  state_->Apply(std::move(configs), reason, std::move(done));
}

absl::Status ConfigApplier::ApplyAndWait(ModelConfigs configs, Reason reason) {
  struct Result {
    base::Mutex mutex;
    base::CondVar set;
    std::optional<absl::Status> status ABSL_GUARDED_BY(mutex);
  };
  auto result = std::make_shared<Result>();
  Apply(std::move(configs), reason, [result](absl::Status status) {
    base::MutexLock lock(result->mutex);
    result->status = std::move(status);
    result->set.NotifyAll();
  });
  base::MutexLock lock(result->mutex);
  while (!result->status.has_value()) result->set.Wait(result->mutex);
  return *result->status;
}

}  // namespace baton::lifecycle
