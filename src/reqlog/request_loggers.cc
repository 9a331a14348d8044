#include "reqlog/request_loggers.h"

#include <random>
#include <utility>

#include "base/log.h"
#include "base/status_macros.h"

namespace baton::reqlog {
namespace {

// SplitMix64, seeded once per thread.
uint64_t NextRandom() {
  thread_local uint64_t state = [] {
    std::random_device device;
    return uint64_t{device()} << 32 | device();
  }();
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// Settings that are understood, but do nothing here.
void WarnOfUnused(const std::string& model, const LoggingConfig& config) {
  const auto warn = [&](std::string_view field) {
    base::LogWarning(base::StrCat("logging_config of model ", model, ": ", field,
                                  " has no effect on the request log"));
  };
  if (config.has_custom_config) warn("custom_logging_config");
  if (config.attributes != 0) warn("sampling_config.attributes");
}

}  // namespace

Logger::Logger(std::string model, LoggingConfig config, Task task, std::vector<std::string> tags,
               std::shared_ptr<RecordFile> file, std::shared_ptr<LogQueue> queue)
    : model_(std::move(model)),
      config_(std::move(config)),
      task_(std::move(task)),
      tags_(std::move(tags)),
      rate_(SamplingRateOf(config_, task_)),
      file_(std::move(file)),
      queue_(std::move(queue)) {}

Logger::~Logger() {
  file_.reset();
  queue_->CloseUnused();
}

bool Logger::Sample() const { return rate_ > 0 && (rate_ >= 1 || IsSampled(rate_, NextRandom())); }

void Logger::Log(std::vector<base::Buffer> record) const {
  queue_->Push(file_, model_, std::move(record));
}

RequestLoggers::RequestLoggers(Options options, metrics::Registry* metrics,
                               metrics::ServingMetrics* serving)
    : options_(std::move(options)),
      queue_(std::make_shared<LogQueue>(options_.queue, metrics, serving)),
      published_([] { return std::make_shared<const Map>(); }) {}

RequestLoggers::~RequestLoggers() { queue_->Stop(); }

std::shared_ptr<RecordFile> RequestLoggers::FileOf(const std::string& prefix) {
  std::weak_ptr<RecordFile>& known = files_[prefix];
  std::shared_ptr<RecordFile> file = known.lock();
  if (file == nullptr) {
    file = std::make_shared<RecordFile>(options_.file, prefix);
    known = file;
  }
  return file;
}

absl::StatusOr<RequestLoggers::Update> RequestLoggers::Prepare(const Configs& configs) {
  base::MutexLock lock(mutex_);
  Update update;
  update.number_ = ++prepared_;
  std::erase_if(files_, [](const auto& known) { return known.second.expired(); });
  for (const auto& [model, config] : configs) {
    const auto current = current_.find(model);
    if (current != current_.end() && current->second->config() == config) {
      update.loggers_.insert(*current);
      continue;
    }
    BATON_RETURN_IF_ERROR(CheckLoggingConfig(model, config));
    if (const absl::Status status = RecordFile::PrepareDirectory(config.filename_prefix);
        !status.ok()) {
      return absl::Status(status.code(),
                          base::ToAbsl(base::StrCat(
                              "logging_config of model ", model,
                              ": no directory for the request log: ", base::Message(status))));
    }
    WarnOfUnused(model, config);
    update.loggers_.emplace(
        model, std::make_shared<Logger>(model, config, options_.task, options_.saved_model_tags,
                                        FileOf(config.filename_prefix), queue_));
  }
  return update;
}

void RequestLoggers::Commit(const Update& update) {
  Map replaced;  // loggers die outside the lock
  {
    base::MutexLock lock(mutex_);
    if (update.number_ < committed_) return;
    committed_ = update.number_;
    replaced = std::exchange(current_, update.loggers_);
    published_.Publish([&] { return std::make_shared<const Map>(update.loggers_); });
    has_loggers_.store(!update.loggers_.empty(), std::memory_order_release);
  }
}

std::shared_ptr<const Logger> RequestLoggers::Sample(std::string_view model) const {
  if (!has_loggers_.load(std::memory_order_acquire)) return nullptr;
  const std::shared_ptr<const Map> loggers = published_.Load();
  const auto it = loggers->find(model);
  if (it == loggers->end() || !it->second->Sample()) return nullptr;
  return it->second;
}

}  // namespace baton::reqlog
