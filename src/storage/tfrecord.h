#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/buffer.h"

namespace baton::storage {

// TFRecord files: uncompressed records one behind the other, each as
//   uint64 length | masked CRC-32C of these 8 bytes | data | masked CRC-32C of the data
// with all numbers in little endian.

using TfRecordHeader = std::array<char, 12>;
using TfRecordFooter = std::array<char, 4>;

// What stands before `length` bytes of data, and after data whose Crc32c is `crc`.
TfRecordHeader MakeTfRecordHeader(uint64_t length);
TfRecordFooter MakeTfRecordFooter(uint32_t crc);

// Reads a TFRecord file from its beginning, in TensorFlow's words where it is damaged. Takes memory
// for one record at a time and never for more than the file holds, whatever a header claims.
//
// Threads: confined to one. Owner: whoever reads. Errors: DATA_LOSS for bytes that are no records;
// after an error, what comes next is undefined.
class TfRecordReader {
 public:
  // No protobuf message is larger.
  static constexpr uint64_t kMaxRecordBytes = (uint64_t{1} << 31) - 1;

  // Errors: FileError's; kFailedPrecondition for what is no plain file.
  static absl::StatusOr<TfRecordReader> Open(const std::string& path,
                                             uint64_t max_record_bytes = kMaxRecordBytes);

  TfRecordReader(TfRecordReader&& other) noexcept;
  TfRecordReader& operator=(TfRecordReader&&) = delete;
  ~TfRecordReader();

  // The next record; nullopt at the end. A last header that is cut short also is the end, as in
  // TensorFlow: a writer may have died there; trailing_bytes() tells.
  absl::StatusOr<std::optional<base::Buffer>> Next();

  uint64_t trailing_bytes() const { return trailing_bytes_; }

 private:
  TfRecordReader(int fd, std::string path, uint64_t max_record_bytes);

  // Reads up to `bytes` at offset_ and moves it.
  absl::StatusOr<size_t> Read(char* to, size_t bytes);
  absl::StatusOr<uint64_t> BytesLeft() const;

  int fd_;
  const std::string path_;
  const uint64_t max_record_bytes_;
  uint64_t offset_ = 0;
  uint64_t trailing_bytes_ = 0;
};

}  // namespace baton::storage
