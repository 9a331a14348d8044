#include "reqlog/record_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "storage/crc32c.h"
#include "storage/tfrecord.h"
#include "storage/version_dir.h"

namespace baton::reqlog {
namespace {

constexpr std::string_view kSuffix = ".tfrecord";
constexpr std::string_view kUnfinished = ".tmp";
constexpr int kNameAttempts = 1000;

struct SplitPath {
  std::string directory;
  std::string name;
};

SplitPath Split(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

// A directory given as the prefix gets files that do not begin with a dash.
std::string_view DashAfter(std::string_view prefix) {
  return prefix.empty() || prefix.ends_with('/') ? "" : "-";
}

// Whether `text` looks like the pattern: '0' stands for a digit, '#' for one or more.
bool Matches(std::string_view text, std::string_view pattern) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  size_t at = 0;
  for (const char wanted : pattern) {
    if (at == text.size()) return false;
    if (wanted == '0' || wanted == '#') {
      if (!is_digit(text[at++])) return false;
      while (wanted == '#' && at < text.size() && is_digit(text[at])) ++at;
    } else if (text[at++] != wanted) {
      return false;
    }
  }
  return at == text.size();
}

// Whether a file's name is one that we give under this prefix.
bool IsOurs(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return false;
  name.remove_prefix(prefix.size());
  if (name.ends_with(kUnfinished)) name.remove_suffix(kUnfinished.size());
  return Matches(name, base::StrCat(DashAfter(prefix), "00000000T000000.000Z-#-#", kSuffix));
}

// Writes all of it, moving through `pieces`.
absl::Status WriteAll(int fd, std::vector<iovec>& pieces, const std::string& path) {
  size_t first = 0;
  while (first < pieces.size()) {
    const size_t count = std::min<size_t>(pieces.size() - first, IOV_MAX);
    const ssize_t n = writev(fd, &pieces[first], static_cast<int>(count));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return storage::FileError(errno, path);
    auto left = static_cast<size_t>(n);
    while (first < pieces.size() && left >= pieces[first].iov_len) left -= pieces[first++].iov_len;
    if (left == 0) continue;
    pieces[first].iov_base = static_cast<char*>(pieces[first].iov_base) + left;
    pieces[first].iov_len -= left;
  }
  return absl::OkStatus();
}

uint64_t FramedBytes(std::span<const base::Buffer> record) {
  uint64_t bytes = storage::TfRecordHeader().size() + storage::TfRecordFooter().size();
  for (const base::Buffer& piece : record) bytes += piece.size();
  return bytes;
}

}  // namespace

RecordFile::RecordFile(Options options, std::string prefix)
    : options_(options), prefix_(std::move(prefix)) {}

RecordFile::~RecordFile() { Close().IgnoreError(); }

absl::Status RecordFile::PrepareDirectory(const std::string& prefix) {
  const std::string directory = Split(prefix).directory;
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return storage::FileError(error.value(), directory);
  if (access(directory.c_str(), W_OK | X_OK) != 0) return storage::FileError(errno, directory);
  return absl::OkStatus();
}

absl::Status RecordFile::Append(std::span<const base::Buffer> record) {
  const uint64_t bytes = FramedBytes(record);
  const bool is_full =
      bytes_ > 0 && (bytes_ >= options_.max_bytes || bytes > options_.max_bytes - bytes_);
  if (is_full || options_.clock->Now() >= ends_at_) BATON_RETURN_IF_ERROR(Close());
  if (!is_open()) BATON_RETURN_IF_ERROR(Open());
  absl::Status status = Write(record);
  if (status.ok()) {
    bytes_ += bytes;
    return status;
  }
  // Without the half that was written. Where even that fails the file keeps its ".tmp" for good.
  if (ftruncate(fd_, static_cast<off_t>(bytes_)) != 0 ||
      lseek(fd_, static_cast<off_t>(bytes_), SEEK_SET) < 0) {
    close(std::exchange(fd_, -1));
    ends_at_ = absl::InfiniteFuture();
  }
  return status;
}

absl::Status RecordFile::Write(std::span<const base::Buffer> record) {
  uint64_t bytes = 0;
  uint32_t crc = 0;
  for (const base::Buffer& piece : record) {
    crc = storage::Crc32c(piece.view(), crc);
    bytes += piece.size();
  }
  storage::TfRecordHeader header = storage::MakeTfRecordHeader(bytes);
  storage::TfRecordFooter footer = storage::MakeTfRecordFooter(crc);
  std::vector<iovec> pieces;
  pieces.reserve(record.size() + 2);
  pieces.push_back({header.data(), header.size()});
  for (const base::Buffer& piece : record) {
    if (!piece.empty()) pieces.push_back({const_cast<char*>(piece.data()), piece.size()});
  }
  pieces.push_back({footer.data(), footer.size()});
  return WriteAll(fd_, pieces, base::StrCat(path_, kUnfinished));
}

absl::Status RecordFile::Open() {
  const absl::Time now = options_.clock->Now();
  const std::string time = absl::FormatTime("%Y%m%dT%H%M%E3SZ", now, absl::UTCTimeZone());
  for (int attempt = 0; attempt < kNameAttempts; ++attempt) {
    path_ = base::StrCat(prefix_, DashAfter(prefix_), time, "-", getpid(), "-",
                         absl::StrFormat("%06d", number_++), kSuffix);
    // Another server with our process number (in a container of its own) may have had the name.
    if (access(path_.c_str(), F_OK) == 0) continue;
    const std::string unfinished = base::StrCat(path_, kUnfinished);
    fd_ = open(unfinished.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd_ < 0 && errno == EEXIST) continue;
    if (fd_ < 0) return storage::FileError(errno, unfinished);
    bytes_ = 0;
    ends_at_ =
        options_.max_age > absl::ZeroDuration() ? now + options_.max_age : absl::InfiniteFuture();
    DeleteOldest();
    return absl::OkStatus();
  }
  return absl::AlreadyExistsError(base::StrCat(path_, "; every name is taken"));
}

absl::Status RecordFile::Close() {
  if (!is_open()) return absl::OkStatus();
  ends_at_ = absl::InfiniteFuture();
  const std::string unfinished = base::StrCat(path_, kUnfinished);
  // Network file systems tell only now that there was no room.
  if (close(std::exchange(fd_, -1)) != 0) return storage::FileError(errno, unfinished);
  const uint64_t bytes = std::exchange(bytes_, 0);
  if (bytes == 0) {
    unlink(unfinished.c_str());
    return absl::OkStatus();
  }
  if (rename(unfinished.c_str(), path_.c_str()) != 0) {
    return storage::FileError(errno, unfinished);
  }
  return absl::OkStatus();
}

void RecordFile::DeleteOldest() {
  if (options_.max_files == 0) return;
  const SplitPath prefix = Split(prefix_);
  DIR* dir = opendir(prefix.directory.c_str());
  if (dir == nullptr) return;  // a directory may be written to, but not read
  const std::string own = base::StrCat(Split(path_).name, kUnfinished);
  std::vector<std::string> others;
  while (const dirent* entry = readdir(dir)) {
    if (own != entry->d_name && IsOurs(entry->d_name, prefix.name)) {
      others.emplace_back(entry->d_name);
    }
  }
  if (others.size() >= options_.max_files) {
    // Names begin with the time.
    std::sort(others.begin(), others.end());
    const size_t surplus = others.size() - (options_.max_files - 1);
    for (size_t i = 0; i < surplus; ++i) unlinkat(dirfd(dir), others[i].c_str(), 0);
  }
  closedir(dir);
}

}  // namespace baton::reqlog
