#include "storage/version_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace baton::storage {
namespace {

constexpr int kMaxDepth = 16;
constexpr int kMaxEntries = 100'000;
// A SavedModel has two kinds of fields and a handful of meta graphs; a file of a million fields is
// something else.
constexpr int kMaxFields = 100'000;
constexpr size_t kMaxVarint = 10;

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};
using DirStream = std::unique_ptr<DIR, CloseDir>;

class File {
 public:
  // O_NONBLOCK: opening a FIFO would wait for a writer, and with it every model behind this one.
  explicit File(const std::string& path)
      : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

std::string_view TrimSpace(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

bool Exists(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0;
}

// Moves `offset` past one varint. False when it is cut short or too long.
bool ReadVarint(uint64_t size, ReadAt read, uint64_t* offset, uint64_t* value) {
  char bytes[kMaxVarint];
  const size_t want = std::min<uint64_t>(kMaxVarint, size - *offset);
  const size_t got = std::min(want, read(*offset, bytes, want));
  *value = 0;
  for (size_t i = 0; i < got; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    *value |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
    if ((byte & 0x80) == 0) {
      *offset += i + 1;
      return true;
    }
  }
  return false;
}

bool IsWholeProtobufFile(const std::string& path) {
  const File file(path);
  struct stat info;
  if (file.fd() < 0 || fstat(file.fd(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
  return IsWholeProtobuf(
      static_cast<uint64_t>(info.st_size), [&](uint64_t offset, char* out, size_t bytes) -> size_t {
        const ssize_t got = pread(file.fd(), out, bytes, static_cast<off_t>(offset));
        return got < 0 ? 0 : static_cast<size_t>(got);
      });
}

// "variables.data-00003-of-00008" -> {3, 8}
std::optional<std::pair<int, int>> ParseShard(std::string_view name) {
  constexpr std::string_view kPrefix = "variables.data-";
  constexpr std::string_view kOf = "-of-";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  const size_t of = name.find(kOf);
  if (of == std::string_view::npos) return std::nullopt;
  const std::string_view total_text = name.substr(of + kOf.size());
  int shard = 0;
  int total = 0;
  const auto first = std::from_chars(name.data(), name.data() + of, shard);
  const auto second =
      std::from_chars(total_text.data(), total_text.data() + total_text.size(), total);
  if (first.ec != std::errc() || first.ptr != name.data() + of || second.ec != std::errc() ||
      second.ptr != total_text.data() + total_text.size()) {
    return std::nullopt;
  }
  return std::pair(shard, total);
}

bool VariablesAreWhole(const std::string& path) {
  const DirStream dir(opendir(path.c_str()));
  if (dir == nullptr) return false;
  bool has_index = false;
  int total = 0;
  std::set<int> shards;
  for (int i = 0; i < kMaxEntries; ++i) {
    const dirent* entry = readdir(dir.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name == "variables.index") has_index = true;
    if (const auto shard = ParseShard(name); shard.has_value()) {
      total = std::max(total, shard->second);
      shards.insert(shard->first);
    }
  }
  return has_index && total > 0 && shards.size() == static_cast<size_t>(total) &&
         *shards.begin() == 0 && *shards.rbegin() == total - 1;
}

// Depth-first over open paths rather than recursion: directory trees come from outside.
class ChangeWalk {
 public:
  // Everything below `root`.
  void Run(const std::string& root) {
    pending_.emplace_back(root, 0);
    while (!pending_.empty() && entries_ < kMaxEntries) {
      const auto [path, depth] = std::move(pending_.back());
      pending_.pop_back();
      List(path, depth);
    }
  }
  int entries() const { return entries_; }
  absl::Time newest() const { return newest_; }

 private:
  void List(const std::string& path, int depth) {
    const DirStream dir(opendir(path.c_str()));
    if (dir == nullptr) return;  // gone since, or not for us to read: the engine will say so
    while (entries_ < kMaxEntries) {
      const dirent* entry = readdir(dir.get());
      if (entry == nullptr) return;
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      ++entries_;
      // A link counts with its own change time and with that of what it points to.
      struct stat info;
      if (fstatat(dirfd(dir.get()), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
      Add(info);
      if (S_ISLNK(info.st_mode)) {
        if (fstatat(dirfd(dir.get()), entry->d_name, &info, 0) != 0) continue;
        Add(info);
      }
      if (S_ISDIR(info.st_mode) && depth + 1 < kMaxDepth) {
        pending_.emplace_back(base::StrCat(path, "/", name), depth + 1);
      }
    }
  }
  void Add(const struct stat& info) {
    newest_ = std::max(newest_, absl::TimeFromTimespec(info.st_ctim));
  }

  std::vector<std::pair<std::string, int>> pending_;
  int entries_ = 0;
  absl::Time newest_ = absl::InfinitePast();
};

}  // namespace

std::optional<int64_t> ParseVersionName(std::string_view name) {
  std::string_view text = TrimSpace(name);
  // from_chars knows '-' only.
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  int64_t version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return version;
}

bool IsWholeProtobuf(uint64_t size, ReadAt read) {
  if (size == 0) return false;
  uint64_t offset = 0;
  for (int fields = 0; offset < size; ++fields) {
    if (fields == kMaxFields) return false;
    uint64_t tag = 0;
    if (!ReadVarint(size, read, &offset, &tag) || (tag >> 3) == 0) return false;
    uint64_t skip = 0;
    switch (tag & 7) {
      case 0:
        if (uint64_t ignored; !ReadVarint(size, read, &offset, &ignored)) return false;
        break;
      case 1:
        skip = 8;
        break;
      case 2:
        if (!ReadVarint(size, read, &offset, &skip)) return false;
        break;
      case 5:
        skip = 4;
        break;
      default:
        return false;
    }
    if (skip > size - offset) return false;
    offset += skip;
  }
  return true;
}

SavedModelState InspectSavedModel(const std::string& path) {
  const std::string binary = base::StrCat(path, "/saved_model.pb");
  const bool has_binary = Exists(binary);
  if (!has_binary && !Exists(base::StrCat(path, "/saved_model.pbtxt"))) {
    return SavedModelState::kAbsent;
  }
  if (has_binary && !IsWholeProtobufFile(binary)) return SavedModelState::kPartial;
  const std::string variables = base::StrCat(path, "/variables");
  if (Exists(variables) && !VariablesAreWhole(variables)) return SavedModelState::kPartial;
  return SavedModelState::kWhole;
}

absl::StatusOr<absl::Time> NewestChange(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return FileError(errno, path);
  const absl::Time own = absl::TimeFromTimespec(info.st_ctim);
  if (!S_ISDIR(info.st_mode)) return own;
  ChangeWalk walk;
  walk.Run(path);
  return walk.entries() == 0 ? own : walk.newest();
}

absl::Status FileError(int error, std::string_view subject) {
  if (error == ENOENT) return absl::NotFoundError(base::StrCat(subject, " not found"));
  const std::string text = base::StrCat(subject, "; ", std::strerror(error));
  switch (error) {
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(text);
    case ENOTDIR:
    case EISDIR:
      return absl::FailedPreconditionError(text);
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::ResourceExhaustedError(text);
    default:
      return absl::UnknownError(text);
  }
}

}  // namespace baton::storage
