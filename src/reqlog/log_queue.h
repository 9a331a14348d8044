#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "metrics/registry.h"
#include "metrics/serving_metrics.h"
#include "reqlog/record_file.h"

namespace baton::reqlog {

// Records on their way to disk: whoever logs never waits for it. A bounded queue, and one thread
// that writes all files. What does not fit is dropped and counted; what cannot be written is
// counted, and said in the log once a minute and file.
//
// Threads: thread-safe. Owner: RequestLoggers, and every Logger that is still out. Errors: none to
// callers.
class LogQueue {
 public:
  struct Options {
    uint64_t max_queued_bytes = uint64_t{64} << 20;
    size_t max_queued_records = 10000;
    absl::Duration complain_every = absl::Minutes(1);
    const base::Clock* clock = &base::Clock::Real();
  };

  // Borrowed, and used until Stop returns; either may be null.
  LogQueue(Options options, metrics::Registry* metrics, metrics::ServingMetrics* serving);
  LogQueue(const LogQueue&) = delete;
  LogQueue& operator=(const LogQueue&) = delete;
  ~LogQueue();  // Stop()

  // A record of `model` in pieces, whose memory is kept until it is written.
  void Push(std::shared_ptr<RecordFile> file, const std::string& model,
            std::vector<base::Buffer> record);

  // Has files closed that nobody but the queue holds any more.
  void CloseUnused();

  // Waits until everything that was pushed before is written or has failed.
  void Flush();

  // Writes what is queued and closes all files; what comes later is dropped.
  void Stop();

 private:
  struct Entry {
    std::shared_ptr<RecordFile> file;
    std::string model;
    std::vector<base::Buffer> record;
    uint64_t bytes = 0;
  };
  // A file that has records; writer thread only.
  struct OpenFile {
    std::shared_ptr<RecordFile> file;
    absl::Time complained_at = absl::InfinitePast();
    uint64_t errors_since = 0;  // since the last complaint
  };
  // What became of records.
  struct Cells {
    metrics::Counter* written = nullptr;
    metrics::Counter* dropped = nullptr;
    metrics::Counter* failed = nullptr;
    metrics::Counter* bytes = nullptr;
  };

  static Cells MakeCells(metrics::Registry* metrics);
  void Run();
  // Waits for records, time or the end. Empty unless there are records.
  std::deque<Entry> Take(absl::Time until, bool* is_stopping);
  void Write(Entry entry);
  void OnError(OpenFile& open, const absl::Status& status);
  void CloseDue(bool all);
  absl::Time NextEnd() const;
  void Count(metrics::Counter* cell, const std::string& model, absl::StatusCode code,
             uint64_t bytes = 0);

  const Options options_;
  const Cells cells_;
  metrics::ServingMetrics* const serving_;

  base::Mutex mutex_;
  base::CondVar wake_;
  base::CondVar flushed_;
  std::deque<Entry> queue_ ABSL_GUARDED_BY(mutex_);
  uint64_t queued_records_ ABSL_GUARDED_BY(mutex_) = 0;  // with those being written
  uint64_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool has_unused_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_stopped_ ABSL_GUARDED_BY(mutex_) = false;

  std::map<RecordFile*, OpenFile> files_;  // writer thread only
  base::Mutex stop_mutex_;
  std::thread thread_;
};

}  // namespace baton::reqlog
