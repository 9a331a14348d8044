#include "server/config_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "codec/grpc/model_codec.h"
#include "codec/grpc/text_proto.h"

namespace baton::server {
namespace {

constexpr int64_t kMaxConfigBytes = int64_t{64} << 20;

absl::Status FileError(const std::string& path, int error) {
  const std::string text = base::StrCat(path, "; ", std::strerror(error));
  if (error == ENOENT) return absl::NotFoundError(text);
  if (error == EACCES || error == EPERM) return absl::PermissionDeniedError(text);
  return absl::FailedPreconditionError(text);
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  const int fd_;
};

}  // namespace

absl::StatusOr<std::string> ReadTextFile(const std::string& path) {
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return FileError(path, errno);
  struct stat info;
  if (fstat(file.get(), &info) != 0) return FileError(path, errno);
  if (S_ISDIR(info.st_mode)) return FileError(path, EISDIR);
  // A pipe in a model directory would hold up the load for ever.
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(base::StrCat(path, "; Invalid argument"));
  }
  if (info.st_size == 0) {
    return absl::InvalidArgumentError(base::StrCat(path, "; Invalid argument"));
  }
  if (info.st_size > kMaxConfigBytes) {
    return absl::InvalidArgumentError(
        base::StrCat(path, " is larger than a configuration can be (", kMaxConfigBytes, " bytes)"));
  }
  std::string text(static_cast<size_t>(info.st_size), '\0');
  size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t got = read(file.get(), text.data() + filled, text.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError(path, errno);
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  text.resize(filled);
  return text;
}

absl::Status ReadTextProto(const std::string& path, google::protobuf::Message* message) {
  BATON_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  return codec::grpc::ParseTextProto(path, text, message);
}

absl::StatusOr<std::optional<lifecycle::ModelConfigs>> ReadModelConfigFile(
    const std::string& path) {
  BATON_ASSIGN_OR_RETURN(std::string text, ReadTextFile(path));
  bool has_list = false;
  BATON_ASSIGN_OR_RETURN(lifecycle::ModelConfigs configs,
                         codec::grpc::ParseModelConfigText(path, text, &has_list));
  if (!has_list) return std::nullopt;
  return configs;
}

absl::StatusOr<std::optional<lifecycle::ModelConfigs>> InitialModels(const Options& options) {
  if (!options.model_config_file.empty()) return ReadModelConfigFile(options.model_config_file);
  base::LogInfo(base::StrCat("Building single TensorFlow model file config:  model_name: ",
                             options.model_name, " model_base_path: ", options.model_base_path));
  lifecycle::ModelConfig model;
  model.name = options.model_name;
  model.base_path = options.model_base_path;
  model.platform = "tensorflow";
  return lifecycle::ModelConfigs{std::move(model)};
}

class ConfigFilePoller::Loop {
 public:
  Loop(std::string path, absl::Duration period, bool had_list, lifecycle::ConfigApplier* applier)
      : path_(std::move(path)),
        period_(period),
        applier_(applier),
        had_list_(had_list),
        thread_([this] { Run(); }) {}

  ~Loop() {
    {
      base::MutexLock lock(shared_->mutex);
      shared_->stop = true;
    }
    shared_->wake.NotifyAll();
    thread_.join();
  }

 private:
  // Outlives the loop: an application that never ends (a new model without versions) holds its
  // callback.
  struct Shared {
    base::Mutex mutex;
    base::CondVar wake;
    bool stop ABSL_GUARDED_BY(mutex) = false;
    bool applying ABSL_GUARDED_BY(mutex) = false;
  };

  void Run() {
    absl::Time next = absl::Now() + period_;
    while (true) {
      {
        base::MutexLock lock(shared_->mutex);
        while (!shared_->stop && (absl::Now() < next || shared_->applying)) {
          shared_->wake.WaitUntil(shared_->mutex, std::max(next, absl::Now() + absl::Seconds(1)));
        }
        if (shared_->stop) return;
      }
      next = absl::Now() + period_;
      PollOnce();
    }
  }

  void PollOnce() {
    absl::StatusOr<std::optional<lifecycle::ModelConfigs>> configs = ReadModelConfigFile(path_);
    const bool is_custom =
        !configs.ok() && base::Message(configs.status()) == codec::grpc::kCustomConfigRefused;
    if (configs.ok() && !configs->has_value() && !had_list_) return;
    if ((configs.ok() && !configs->has_value()) || (is_custom && had_list_)) {
      configs = absl::FailedPreconditionError(
          "Cannot transition to requested config. It is only legal to transition from one "
          "ModelConfigList to another.");
    }
    if (!configs.ok()) {
      base::LogError(base::StrCat("Polling model_config_file failed, the models stay as they are: ",
                                  configs.status().ToString()));
      return;
    }
    {
      base::MutexLock lock(shared_->mutex);
      shared_->applying = true;
    }
    had_list_ = true;
    applier_->Apply(**std::move(configs), lifecycle::ConfigApplier::Reason::kReload,
                    [shared = shared_](const absl::Status& status) {
                      if (!status.ok()) {
                        base::LogError(
                            base::StrCat("PollFilesystemAndReloadConfig failed to ReloadConfig "
                                         "with error: ",
                                         status.ToString()));
                      }
                      {
                        base::MutexLock lock(shared->mutex);
                        shared->applying = false;
                      }
                      shared->wake.NotifyAll();
                    });
  }

  const std::string path_;
  const absl::Duration period_;
  lifecycle::ConfigApplier* const applier_;
  bool had_list_;  // the file, at any time; the thread's alone
  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  std::thread thread_;
};

ConfigFilePoller::ConfigFilePoller(std::string path, absl::Duration period, bool had_list,
                                   lifecycle::ConfigApplier* applier)
    : loop_(std::make_unique<Loop>(std::move(path), period, had_list, applier)) {}
ConfigFilePoller::~ConfigFilePoller() = default;

}  // namespace baton::server
