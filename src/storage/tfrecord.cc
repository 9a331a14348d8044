#include "storage/tfrecord.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "storage/crc32c.h"
#include "storage/version_dir.h"

namespace baton::storage {
namespace {

template <typename Number>
void StoreLittleEndian(Number value, char* to) {
  for (size_t i = 0; i < sizeof(Number); ++i) to[i] = static_cast<char>(value >> (8 * i));
}

template <typename Number>
Number LoadLittleEndian(const char* from) {
  Number value = 0;
  for (size_t i = 0; i < sizeof(Number); ++i) {
    value |= static_cast<Number>(static_cast<uint8_t>(from[i])) << (8 * i);
  }
  return value;
}

bool IsChecksumOf(const char* stored, std::string_view data) {
  return LoadLittleEndian<uint32_t>(stored) == MaskCrc(Crc32c(data));
}

absl::Status Corrupted(uint64_t offset) {
  return absl::DataLossError(base::StrCat("corrupted record at ", offset,
                                          offset == 0 ? " (Is this even a TFRecord file?)" : ""));
}

absl::Status Truncated(uint64_t offset) {
  return absl::DataLossError(
      base::StrCat("truncated record at ", offset, "' failed with Read less bytes than requested"));
}

}  // namespace

TfRecordHeader MakeTfRecordHeader(uint64_t length) {
  TfRecordHeader header;
  StoreLittleEndian(length, header.data());
  StoreLittleEndian(MaskCrc(Crc32c({header.data(), 8})), header.data() + 8);
  return header;
}

TfRecordFooter MakeTfRecordFooter(uint32_t crc) {
  TfRecordFooter footer;
  StoreLittleEndian(MaskCrc(crc), footer.data());
  return footer;
}

absl::StatusOr<TfRecordReader> TfRecordReader::Open(const std::string& path,
                                                    uint64_t max_record_bytes) {
  // Without O_NONBLOCK, opening a named pipe would wait for its writer.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return FileError(errno, path);
  TfRecordReader reader(fd, path, max_record_bytes);
  struct stat info;
  if (fstat(fd, &info) != 0) return FileError(errno, path);
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(base::StrCat(path, " is no plain file"));
  }
  return reader;
}

TfRecordReader::TfRecordReader(int fd, std::string path, uint64_t max_record_bytes)
    : fd_(fd), path_(std::move(path)), max_record_bytes_(max_record_bytes) {}

TfRecordReader::TfRecordReader(TfRecordReader&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(other.path_),
      max_record_bytes_(other.max_record_bytes_),
      offset_(other.offset_),
      trailing_bytes_(other.trailing_bytes_) {}

TfRecordReader::~TfRecordReader() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<size_t> TfRecordReader::Read(char* to, size_t bytes) {
  size_t done = 0;
  while (done < bytes) {
    const ssize_t n = pread(fd_, to + done, bytes - done, static_cast<off_t>(offset_));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileError(errno, path_);
    if (n == 0) break;
    done += static_cast<size_t>(n);
    offset_ += static_cast<uint64_t>(n);
  }
  return done;
}

absl::StatusOr<uint64_t> TfRecordReader::BytesLeft() const {
  struct stat info;
  if (fstat(fd_, &info) != 0) return FileError(errno, path_);
  const auto size = static_cast<uint64_t>(info.st_size);
  return size > offset_ ? size - offset_ : 0;
}

absl::StatusOr<std::optional<base::Buffer>> TfRecordReader::Next() {
  const uint64_t start = offset_;
  TfRecordHeader header;
  BATON_ASSIGN_OR_RETURN(const size_t header_bytes, Read(header.data(), header.size()));
  if (header_bytes < header.size()) {
    trailing_bytes_ = header_bytes;
    return std::nullopt;
  }
  if (!IsChecksumOf(header.data() + 8, {header.data(), 8})) return Corrupted(start);

  const auto length = LoadLittleEndian<uint64_t>(header.data());
  BATON_ASSIGN_OR_RETURN(const uint64_t left, BytesLeft());
  constexpr size_t kFooterBytes = TfRecordFooter().size();
  if (left < kFooterBytes || left - kFooterBytes < length) return Truncated(start);
  if (length > max_record_bytes_) {
    return absl::DataLossError(base::StrCat("record at ", start, " has ", length,
                                            " bytes, more than ", max_record_bytes_));
  }
  base::Buffer record = base::Buffer::Allocate(length + kFooterBytes);
  BATON_ASSIGN_OR_RETURN(const size_t record_bytes, Read(record.mutable_data(), record.size()));
  if (record_bytes < record.size()) return Truncated(start);  // the file has become shorter
  const base::Buffer data = record.Slice(0, length);
  if (!IsChecksumOf(record.data() + length, data.view())) {
    return Corrupted(start + header.size());
  }
  return data;
}

}  // namespace baton::storage
