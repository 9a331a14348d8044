#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/check.h"
#include "storage/crc32c.h"
#include "storage/tfrecord.h"

namespace {

// Random bytes rarely have the right checksums, so a first byte of 1 has them put right on the way:
// lengths stay what they are, whole or not.
std::string WithChecksums(std::string_view bytes) {
  using namespace baton::storage;
  std::string file(bytes);
  for (size_t at = 0; file.size() - at >= 12;) {
    uint64_t length = 0;
    for (size_t i = 0; i < 8; ++i) length |= uint64_t{static_cast<uint8_t>(file[at + i])} << 8 * i;
    const TfRecordHeader header = MakeTfRecordHeader(length);
    file.replace(at, header.size(), header.data(), header.size());
    at += header.size();
    if (file.size() - at < 4 || file.size() - at - 4 < length) break;
    const TfRecordFooter footer = MakeTfRecordFooter(Crc32c({file.data() + at, length}));
    file.replace(at + length, footer.size(), footer.data(), footer.size());
    at += length + footer.size();
  }
  return file;
}

}  // namespace

// A file is read to its end or first error; what was read writes back to the same bytes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace baton::storage;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string file = data[0] == 1 ? WithChecksums(bytes) : std::string(bytes);
  static const int fd = memfd_create("records", 0);
  BATON_CHECK(ftruncate(fd, 0) == 0);
  BATON_CHECK(pwrite(fd, file.data(), file.size(), 0) == static_cast<ssize_t>(file.size()));
  static const std::string path = "/proc/self/fd/" + std::to_string(fd);
  auto reader = TfRecordReader::Open(path);
  BATON_CHECK(reader.ok());
  std::string again;
  while (true) {
    const auto record = reader->Next();
    if (!record.ok()) break;
    if (!record->has_value()) {
      BATON_CHECK(again.size() + reader->trailing_bytes() == file.size());
      break;
    }
    const std::string_view read = (*record)->view();
    const TfRecordHeader header = MakeTfRecordHeader(read.size());
    const TfRecordFooter footer = MakeTfRecordFooter(Crc32cByTables(read));
    again.append(header.data(), header.size()).append(read).append(footer.data(), footer.size());
  }
  BATON_CHECK(std::string_view(file).starts_with(again));
  return 0;
}
