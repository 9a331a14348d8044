#include "storage/tfrecord.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "storage/crc32c.h"

namespace baton::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string Framed(std::string_view data) {
  const TfRecordHeader header = MakeTfRecordHeader(data.size());
  const TfRecordFooter footer = MakeTfRecordFooter(Crc32c(data));
  return std::string(header.data(), header.size()) + std::string(data) +
         std::string(footer.data(), footer.size());
}

std::string HeaderOf(uint64_t length) {
  const TfRecordHeader header = MakeTfRecordHeader(length);
  return {header.data(), header.size()};
}

class TfRecordTest : public testing::Test {
 protected:
  TfRecordTest() {
    std::string name = testing::TempDir() + "tfrecord-XXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~TfRecordTest() override {
    unlink(path().c_str());
    rmdir(folder_.c_str());
  }

  std::string path() const { return folder_ + "/records"; }

  // The records before the first error, and that error.
  absl::Status ReadAll(std::string_view file, std::vector<std::string>* records,
                       uint64_t max_record_bytes = TfRecordReader::kMaxRecordBytes) {
    std::ofstream(path(), std::ios::binary) << file;
    absl::StatusOr<TfRecordReader> reader = TfRecordReader::Open(path(), max_record_bytes);
    if (!reader.ok()) return reader.status();
    while (true) {
      const absl::StatusOr<std::optional<base::Buffer>> record = reader->Next();
      if (!record.ok()) return record.status();
      if (!record->has_value()) break;
      records->emplace_back((*record)->view());
    }
    trailing_bytes_ = reader->trailing_bytes();
    return absl::OkStatus();
  }

  std::string folder_;
  uint64_t trailing_bytes_ = 0;
};

// Values of RFC 3720, appendix B.4.
TEST(Crc32cTest, IsCastagnolis) {
  std::string ascending;
  for (char c = 0; c < 32; ++c) ascending += c;
  for (const auto crc32c : {Crc32c, Crc32cByTables}) {
    EXPECT_EQ(crc32c("", 0), 0u);
    EXPECT_EQ(crc32c("123456789", 0), 0xe3069283u);
    EXPECT_EQ(crc32c(std::string(32, '\0'), 0), 0x8a9136aau);
    EXPECT_EQ(crc32c(std::string(32, '\xff'), 0), 0x62a8ab43u);
    EXPECT_EQ(crc32c(ascending, 0), 0x46dd794eu);
  }
}

TEST(Crc32cTest, ContinuesAtAnyByteAndBothWaysAgree) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += static_cast<char>(i * 37 + i / 3);
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    const std::string_view head = std::string_view(text).substr(0, cut);
    const std::string_view tail = std::string_view(text).substr(cut);
    EXPECT_EQ(Crc32c(tail, Crc32c(head)), Crc32c(text));
    EXPECT_EQ(Crc32cByTables(tail, Crc32cByTables(head)), Crc32c(text));
    EXPECT_EQ(Crc32cByTables(head), Crc32c(head));
  }
}

// Bytes as TensorFlow's own writer makes them.
TEST_F(TfRecordTest, FramesLikeTensorFlow) {
  EXPECT_EQ(Framed("abc"), std::string("\x03\0\0\0\0\0\0\0"
                                       "\xb0\x99\x49\x0e"
                                       "abc"
                                       "\x6e\x57\xf1\x21",
                                       19));
}

TEST_F(TfRecordTest, ReadsRecordsUpToTheEnd) {
  const std::string large(100000, 'x');
  std::vector<std::string> records;
  EXPECT_EQ(ReadAll(Framed("one") + Framed("") + Framed(large), &records), absl::OkStatus());
  EXPECT_THAT(records, ElementsAre("one", "", large));
  EXPECT_EQ(trailing_bytes_, 0u);
}

TEST_F(TfRecordTest, AnEmptyFileHasNoRecords) {
  std::vector<std::string> records;
  EXPECT_EQ(ReadAll("", &records), absl::OkStatus());
  EXPECT_THAT(records, IsEmpty());
}

TEST_F(TfRecordTest, ACutHeaderIsTheEnd) {
  std::vector<std::string> records;
  EXPECT_EQ(ReadAll(Framed("one") + HeaderOf(3).substr(0, 11), &records), absl::OkStatus());
  EXPECT_THAT(records, ElementsAre("one"));
  EXPECT_EQ(trailing_bytes_, 11u);
}

TEST_F(TfRecordTest, SaysWhereAFileIsDamaged) {
  const auto damaged = [](std::string text, size_t at) {
    text[at] ^= 1;
    return text;
  };
  const std::string one = Framed("one");  // 19 bytes
  const struct {
    std::string file;
    std::string_view error;
    size_t records;
  } rows[] = {
      {"this is not a record", "corrupted record at 0 (Is this even a TFRecord file?)", 0},
      {damaged(one, 0), "corrupted record at 0 (Is this even a TFRecord file?)", 0},
      {damaged(one, 11), "corrupted record at 0 (Is this even a TFRecord file?)", 0},
      {damaged(one, 12), "corrupted record at 12", 0},
      {damaged(one, 18), "corrupted record at 12", 0},
      {one + damaged(one, 8), "corrupted record at 19", 1},
      {one + damaged(one, 13), "corrupted record at 31", 1},
      {one.substr(0, 18), "truncated record at 0' failed with Read less bytes than requested", 0},
      {one.substr(0, 12), "truncated record at 0' failed with Read less bytes than requested", 0},
      {one + HeaderOf(0), "truncated record at 19' failed with Read less bytes than requested", 1},
  };
  for (const auto& row : rows) {
    std::vector<std::string> records;
    EXPECT_EQ(ReadAll(row.file, &records), absl::DataLossError(base::ToAbsl(row.error)));
    EXPECT_EQ(records.size(), row.records);
  }
}

TEST_F(TfRecordTest, TakesNoMemoryForBytesThatAreNotThere) {
  for (const uint64_t length :
       {uint64_t{1} << 31, uint64_t{1} << 62, ~uint64_t{0} - 3, ~uint64_t{0}}) {
    std::vector<std::string> records;
    EXPECT_EQ(
        ReadAll(HeaderOf(length) + "abcdefgh", &records),
        absl::DataLossError("truncated record at 0' failed with Read less bytes than requested"));
  }
}

TEST_F(TfRecordTest, RefusesARecordAboveTheLimit) {
  std::vector<std::string> records;
  EXPECT_EQ(ReadAll(Framed("four") + Framed("fives"), &records, 4),
            absl::DataLossError("record at 20 has 5 bytes, more than 4"));
  EXPECT_THAT(records, ElementsAre("four"));
}

TEST_F(TfRecordTest, OpensPlainFilesOnly) {
  EXPECT_EQ(TfRecordReader::Open(path()).status(),
            absl::NotFoundError(base::StrCat(path(), " not found")));
  EXPECT_EQ(TfRecordReader::Open(folder_).status(),
            absl::FailedPreconditionError(base::StrCat(folder_, " is no plain file")));
  ASSERT_EQ(mkfifo(path().c_str(), 0600), 0);
  EXPECT_EQ(TfRecordReader::Open(path()).status(),
            absl::FailedPreconditionError(base::StrCat(path(), " is no plain file")));
}

}  // namespace
}  // namespace baton::storage
