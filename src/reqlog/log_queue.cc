#include "reqlog/log_queue.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/strings.h"

namespace baton::reqlog {

LogQueue::LogQueue(Options options, metrics::Registry* metrics, metrics::ServingMetrics* serving)
    : options_(options),
      cells_(MakeCells(metrics)),
      serving_(serving),
      thread_([this] { Run(); }) {}

LogQueue::~LogQueue() { Stop(); }

LogQueue::Cells LogQueue::MakeCells(metrics::Registry* metrics) {
  if (metrics == nullptr) return {};
  const auto records = [&](const char* outcome) {
    return &metrics->GetCounter("baton_request_log_records_total",
                                "Records of the request log, by what became of them.",
                                {{"outcome", outcome}});
  };
  return {.written = records("written"),
          .dropped = records("dropped"),
          .failed = records("failed"),
          .bytes = &metrics->GetCounter("baton_request_log_bytes_total",
                                        "Bytes of written request log records.", {})};
}

void LogQueue::Push(std::shared_ptr<RecordFile> file, const std::string& model,
                    std::vector<base::Buffer> record) {
  Entry entry{std::move(file), model, std::move(record)};
  for (const base::Buffer& piece : entry.record) entry.bytes += piece.size();
  bool is_taken = false;
  bool is_first = false;
  {
    base::MutexLock lock(mutex_);
    is_taken = !is_stopped_ && queued_records_ < options_.max_queued_records &&
               entry.bytes <= options_.max_queued_bytes - queued_bytes_;
    if (is_taken) {
      is_first = queue_.empty();
      queued_bytes_ += entry.bytes;
      ++queued_records_;
      queue_.push_back(std::move(entry));
    }
  }
  if (is_first) wake_.NotifyOne();
  if (!is_taken) Count(cells_.dropped, model, absl::StatusCode::kResourceExhausted);
}

void LogQueue::CloseUnused() {
  {
    base::MutexLock lock(mutex_);
    has_unused_ = true;
  }
  wake_.NotifyOne();
}

void LogQueue::Flush() {
  base::MutexLock lock(mutex_);
  while (queued_records_ > 0) flushed_.Wait(mutex_);
}

void LogQueue::Stop() {
  base::MutexLock stop_lock(stop_mutex_);
  {
    base::MutexLock lock(mutex_);
    is_stopped_ = true;
  }
  wake_.NotifyOne();
  if (thread_.joinable()) thread_.join();
}

std::deque<LogQueue::Entry> LogQueue::Take(absl::Time until, bool* is_stopping) {
  std::deque<Entry> taken;
  base::MutexLock lock(mutex_);
  while (queue_.empty() && !has_unused_ && !is_stopped_) {
    if (!wake_.WaitUntil(mutex_, until)) break;
  }
  taken.swap(queue_);
  has_unused_ = false;
  *is_stopping = is_stopped_;
  return taken;
}

void LogQueue::Run() {
  pthread_setname_np(pthread_self(), "request-log");
  bool is_stopping = false;
  while (!is_stopping) {
    std::deque<Entry> entries = Take(NextEnd(), &is_stopping);
    for (Entry& entry : entries) {
      const uint64_t bytes = entry.bytes;
      Write(std::move(entry));
      base::MutexLock lock(mutex_);
      queued_bytes_ -= bytes;
      if (--queued_records_ == 0) flushed_.NotifyAll();
    }
    entries.clear();
    CloseDue(is_stopping);
  }
}

// By value: the pieces' memory is free again when it returns.
void LogQueue::Write(Entry entry) {
  OpenFile& open = files_[entry.file.get()];
  if (open.file == nullptr) open.file = std::move(entry.file);
  const absl::Status status = open.file->Append(entry.record);
  if (status.ok()) {
    Count(cells_.written, entry.model, absl::StatusCode::kOk, entry.bytes);
    return;
  }
  Count(cells_.failed, entry.model, status.code());
  OnError(open, status);
}

void LogQueue::OnError(OpenFile& open, const absl::Status& status) {
  ++open.errors_since;
  const absl::Time now = options_.clock->Now();
  if (now < open.complained_at + options_.complain_every) return;
  base::LogError(base::StrCat("Request log ", open.file->prefix(), ": ", base::Message(status),
                              " (errors since the last such line: ", open.errors_since, ")"));
  open.complained_at = now;
  open.errors_since = 0;
}

void LogQueue::CloseDue(bool all) {
  const absl::Time now = options_.clock->Now();
  for (auto it = files_.begin(); it != files_.end();) {
    OpenFile& open = it->second;
    // Nobody can take a new reference to a file that only this thread holds, but through the weak
    // ones of RequestLoggers; then it is opened again with its next record.
    const bool is_unused = open.file.use_count() == 1;
    if (all || is_unused || open.file->ends_at() <= now) {
      const absl::Status status = open.file->Close();
      if (!status.ok()) {
        if (cells_.failed != nullptr) cells_.failed->Add();
        OnError(open, status);
      }
    }
    it = all || is_unused ? files_.erase(it) : std::next(it);
  }
}

absl::Time LogQueue::NextEnd() const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [key, open] : files_) next = std::min(next, open.file->ends_at());
  return next;
}

void LogQueue::Count(metrics::Counter* cell, const std::string& model, absl::StatusCode code,
                     uint64_t bytes) {
  if (cell != nullptr) cell->Add();
  if (bytes > 0 && cells_.bytes != nullptr) cells_.bytes->Add(static_cast<int64_t>(bytes));
  if (serving_ != nullptr) serving_->CountRequestLog(model, base::CodeName(code));
}

}  // namespace baton::reqlog
