#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/buffer.h"
#include "base/hot_swap.h"
#include "base/mutex.h"
#include "base/strings.h"
#include "metrics/registry.h"
#include "metrics/serving_metrics.h"
#include "reqlog/log_queue.h"
#include "reqlog/logging_config.h"
#include "reqlog/record_file.h"

namespace baton::reqlog {

// Logs the requests of one model. Immutable.
//
// Threads: thread-safe; Log never waits for the disk. Owner: RequestLoggers and the requests that
// are to be logged. Errors: none; what cannot be logged is counted.
class Logger {
 public:
  Logger(std::string model, LoggingConfig config, Task task, std::vector<std::string> tags,
         std::shared_ptr<RecordFile> file, std::shared_ptr<LogQueue> queue);
  ~Logger();

  const LoggingConfig& config() const { return config_; }
  const Task& task() const { return task_; }
  // With which the model was loaded.
  const std::vector<std::string>& saved_model_tags() const { return tags_; }

  // Decides, at random, whether this request is to be logged.
  bool Sample() const;
  // A serialized PredictionLog, in pieces whose memory is kept until it is written.
  void Log(std::vector<base::Buffer> record) const;

 private:
  const std::string model_;
  const LoggingConfig config_;
  const Task task_;
  const std::vector<std::string> tags_;
  const double rate_;
  std::shared_ptr<RecordFile> file_;
  const std::shared_ptr<LogQueue> queue_;
};

// Request logging (contract §9), with the sink that TensorFlow Serving never had: which models are
// logged, and where to. Front ends ask Sample once for each request that succeeded.
//
// A new configuration comes in two steps, because what may fail or wait for a disk is no work for
// the thread on which the models report: Prepare checks and makes directories, Commit switches.
//
// Threads: thread-safe. Owner: server/; everyone else borrows. Loggers that are out may outlive
// it: it drops what they get.
class RequestLoggers {
 public:
  struct Options {
    RecordFile::Options file = {};
    LogQueue::Options queue = {};
    Task task = {};
    std::vector<std::string> saved_model_tags = {};
  };
  using Configs = std::map<std::string, LoggingConfig>;  // by model
  class Update;

  // Borrowed; either may be null.
  RequestLoggers(Options options, metrics::Registry* metrics, metrics::ServingMetrics* serving);
  ~RequestLoggers();  // writes what was logged

  // Errors: CheckLoggingConfig's; those of directories, naming the model.
  absl::StatusOr<Update> Prepare(const Configs& configs);
  // Makes it current, unless one that was prepared later is. A model whose configuration is the
  // same as before keeps its logger, a prefix its open file.
  void Commit(const Update& update);

  // The model's logger if this request is to be logged, else null.
  std::shared_ptr<const Logger> Sample(std::string_view model) const;

  // Waits until what was logged so far is in the files.
  void Flush() { queue_->Flush(); }

 private:
  using Map = base::StringMap<std::shared_ptr<const Logger>>;

  std::shared_ptr<RecordFile> FileOf(const std::string& prefix)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  const std::shared_ptr<LogQueue> queue_;
  base::Mutex mutex_;
  uint64_t prepared_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t committed_ ABSL_GUARDED_BY(mutex_) = 0;
  Map current_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::weak_ptr<RecordFile>> files_ ABSL_GUARDED_BY(mutex_);
  base::HotSwap<Map> published_;
  // Without loggers nobody looks further than this.
  std::atomic<bool> has_loggers_{false};
};

// Loggers that are ready to take over.
class RequestLoggers::Update {
 private:
  friend class RequestLoggers;  // the only maker and user
  uint64_t number_ = 0;
  Map loggers_;
};

}  // namespace baton::reqlog
