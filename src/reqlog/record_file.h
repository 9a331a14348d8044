#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/buffer.h"
#include "base/clock.h"

namespace baton::reqlog {

// The TFRecord files of one prefix, one behind the other:
//   <prefix>-<UTC time>-<pid>-<number>.tfrecord
// One is written at a time, with ".tmp" behind its name until it is complete: whoever takes files
// without it never sees half a record. The next one begins when a record does not fit any more or
// the file is old enough; then the oldest files of the prefix are deleted, those of earlier servers
// and their unfinished ones included, so that max_files are left.
//
// Threads: confined to one; made and destroyed on any while closed. Owner: LogQueue and the
// loggers. Errors: FileError's; the file is then as it was before the record.
class RecordFile {
 public:
  struct Options {
    uint64_t max_bytes = uint64_t{256} << 20;  // a single larger record gets a file of its own
    absl::Duration max_age = absl::Hours(1);   // <= 0: no limit
    uint64_t max_files = 64;                   // 0: no limit
    const base::Clock* clock = &base::Clock::Real();
  };

  RecordFile(Options options, std::string prefix);
  RecordFile(const RecordFile&) = delete;
  RecordFile& operator=(const RecordFile&) = delete;
  ~RecordFile();

  const std::string& prefix() const { return prefix_; }

  // Makes the directory of `prefix`. Errors: names the directory that cannot be made or written to.
  static absl::Status PrepareDirectory(const std::string& prefix);

  // Writes one record, given in pieces.
  absl::Status Append(std::span<const base::Buffer> record);

  bool is_open() const { return fd_ >= 0; }
  // When Append, or Close, is due to end the open file; InfiniteFuture without one.
  absl::Time ends_at() const { return ends_at_; }
  // Completes the open file, if there is one, and gives it its final name.
  absl::Status Close();

 private:
  absl::Status Open();
  absl::Status Write(std::span<const base::Buffer> record);
  void DeleteOldest();

  const Options options_;
  const std::string prefix_;
  int fd_ = -1;
  std::string path_;    // of the open file, without ".tmp"
  uint64_t bytes_ = 0;  // in the open file, whole records only
  absl::Time ends_at_ = absl::InfiniteFuture();
  uint32_t number_ = 0;  // of the next file
};

}  // namespace baton::reqlog
