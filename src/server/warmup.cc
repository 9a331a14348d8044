#include "server/warmup.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "codec/grpc/log_codec.h"
#include "storage/tfrecord.h"

namespace baton::server {
namespace {

constexpr std::string_view kFile = "assets.extra/tf_serving_warmup_requests";
constexpr int64_t kMaxRecords = 1000;
constexpr int64_t kMaxThreads = 64;
// Of a record that is no PredictionLog, in the error text; TensorFlow Serving shows all of it.
constexpr size_t kMaxShownBytes = 1024;

// The records of one file, replayed by one or more threads.
class Warmup {
 public:
  Warmup(const WarmupOptions& options, std::string path, std::string version_dir,
         storage::TfRecordReader reader, const Replay::Target& target)
      : iterations_(std::max<int64_t>(1, options.iterations)),
        threads_(std::clamp<int64_t>(options.threads, 1, kMaxThreads)),
        path_(std::move(path)),
        version_dir_(std::move(version_dir)),
        target_(target),
        replay_(target),
        reader_(std::move(reader)) {}

  absl::Status Run() {
    std::vector<std::thread> others;
    for (int64_t i = 1; i < threads_; ++i) {
      others.emplace_back([this] {
        pthread_setname_np(pthread_self(), "warm-up");
        Work();
      });
    }
    Work();
    for (std::thread& other : others) other.join();
    base::MutexLock lock(mutex_);
    return status_;
  }

  int64_t records() {
    base::MutexLock lock(mutex_);
    return records_;
  }
  uint64_t trailing_bytes() {
    base::MutexLock lock(mutex_);
    return reader_.trailing_bytes();
  }

 private:
  // Until the end of the file or the first error of any thread.
  void Work() {
    while (std::optional<base::Buffer> record = Take()) {
      const absl::Status status = ReplayRecord(*record);
      if (target_.metrics != nullptr) {
        target_.metrics->CountWarmupRecord(version_dir_, base::CodeName(status.code()));
      }
      base::MutexLock lock(mutex_);
      ++records_;
      if (status_.ok()) status_ = status;
      if (status_.ok() && records_ > kMaxRecords) {
        status_ = absl::InvalidArgumentError(base::StrCat(
            "Number of warmup records exceeds the maximum (", kMaxRecords, ") at ", path_));
      }
    }
  }

  std::optional<base::Buffer> Take() {
    base::MutexLock lock(mutex_);
    if (status_.ok() && IsCancelled()) status_ = absl::CancelledError("the load was cancelled");
    if (!status_.ok()) return std::nullopt;
    absl::StatusOr<std::optional<base::Buffer>> record = reader_.Next();
    if (record.ok()) return *std::move(record);
    status_ = record.status();
    if (absl::IsDataLoss(status_)) {
      status_ = absl::DataLossError(base::StrCat(
          base::Message(status_), ". Please verify your warmup data is in TFRecord format."));
    }
    return std::nullopt;
  }

  absl::Status ReplayRecord(const base::Buffer& record) const {
    const absl::StatusOr<codec::grpc::PredictionLogView> log =
        codec::grpc::ParsePredictionLog(record);
    if (!log.ok()) {
      return absl::InvalidArgumentError(
          base::StrCat("Failed to parse warmup record: ", record.view().substr(0, kMaxShownBytes),
                       " from ", path_));
    }
    // A cancelled load also cancels its runs.
    for (int64_t i = 0; i < iterations_; ++i) BATON_RETURN_IF_ERROR(replay_.Run(*log));
    return absl::OkStatus();
  }

  bool IsCancelled() const {
    return target_.cancellation != nullptr && target_.cancellation->cancelled();
  }

  const int64_t iterations_;
  const int64_t threads_;
  const std::string path_;
  const std::string version_dir_;
  const Replay::Target target_;
  const Replay replay_;

  base::Mutex mutex_;
  storage::TfRecordReader reader_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  int64_t records_ ABSL_GUARDED_BY(mutex_) = 0;
};

// As TensorFlow Serving prints its ModelWarmupOptions: what was set, on one line.
std::string OptionsText(const WarmupOptions& options) {
  std::string text;
  if (options.iterations > 1) {
    base::StrAppend(&text, "num_request_iterations { value: ", options.iterations, " } ");
  }
  if (options.threads > 1) {
    base::StrAppend(&text, "num_model_warmup_threads { value: ", options.threads, " } ");
  }
  return text;
}

}  // namespace

absl::Status WarmUp(const WarmupOptions& options, const std::string& version_dir,
                    Replay::Target target) {
  const absl::Time begin = absl::Now();
  const std::string path = base::StrCat(version_dir, version_dir.ends_with('/') ? "" : "/", kFile);
  if (access(path.c_str(), F_OK) != 0) {
    base::LogInfo(base::StrCat("No warmup data file found at ", path));
    return absl::OkStatus();
  }
  base::LogInfo(base::StrCat("Starting to read warmup data for model at ", path,
                             " with model-warmup-options ", OptionsText(options)));
  BATON_ASSIGN_OR_RETURN(storage::TfRecordReader reader, storage::TfRecordReader::Open(path));
  Warmup warmup(options, path, version_dir, std::move(reader), target);
  const absl::Status status = warmup.Run();
  const absl::Duration elapsed = absl::Now() - begin;
  if (target.metrics != nullptr) {
    target.metrics->ObserveWarmup(version_dir, base::CodeName(status.code()),
                                  absl::ToDoubleMicroseconds(elapsed));
  }
  BATON_RETURN_IF_ERROR(status);
  if (warmup.trailing_bytes() > 0) {
    base::LogWarning(base::StrCat(path, " ends with ", warmup.trailing_bytes(),
                                  " bytes that are no record: it may not be complete"));
  }
  base::LogInfo(base::StrCat("Finished reading warmup data for model at ", path,
                             ". Number of warmup records read: ", warmup.records(),
                             ". Elapsed time (microseconds): ", absl::ToInt64Microseconds(elapsed),
                             "."));
  return absl::OkStatus();
}

}  // namespace baton::server
