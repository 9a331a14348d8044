#include "storage/version_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

namespace baton::storage {
namespace {

namespace fs = std::filesystem;

TEST(VersionNameTest, IsAWholeSignedDecimal) {
  struct Row {
    std::string_view name;
    std::optional<int64_t> version;
  };
  const Row kRows[] = {
      {"0", 0},
      {"1", 1},
      {"001", 1},
      {"00000123", 123},
      {"+5", 5},
      {"-3", -3},
      {"-0", 0},
      {" 7", 7},
      {"7 ", 7},
      {"\t8\n", 8},
      {"1699999999", 1699999999},
      {"9223372036854775807", std::numeric_limits<int64_t>::max()},
      {"-9223372036854775808", std::numeric_limits<int64_t>::min()},
      {"9223372036854775808", std::nullopt},
      {"-9223372036854775809", std::nullopt},
      {"", std::nullopt},
      {" ", std::nullopt},
      {"+", std::nullopt},
      {"-", std::nullopt},
      {"+-5", std::nullopt},
      {"--5", std::nullopt},
      {"- 5", std::nullopt},
      {"1.0", std::nullopt},
      {"1e3", std::nullopt},
      {"0x1", std::nullopt},
      {"v1", std::nullopt},
      {"1.tmp", std::nullopt},
      {"1 2", std::nullopt},
      {".1", std::nullopt},
      {"abc", std::nullopt},
  };
  for (const Row& row : kRows) {
    EXPECT_EQ(ParseVersionName(row.name), row.version) << "\"" << row.name << "\"";
  }
}

bool IsWhole(std::string_view bytes) {
  return IsWholeProtobuf(bytes.size(), [&](uint64_t offset, char* out, size_t count) -> size_t {
    EXPECT_LE(offset + count, bytes.size());
    std::memcpy(out, bytes.data() + offset, count);
    return count;
  });
}

TEST(WholeProtobufTest, EndsAtAFieldBorder) {
  using std::string_literals::operator""s;
  struct Row {
    std::string bytes;
    bool is_whole;
  };
  const Row kRows[] = {
      {"", false},
      {"\x08\x01"s, true},                                       // varint
      {"\x08\x01\x12\x03"s + "abc", true},                       // varint, string
      {"\x08\x01\x12\x03"s + "ab", false},                       // cut in the string
      {"\x08\x01\x12"s, false},                                  // cut in the tag's length
      {"\x08"s, false},                                          // cut before the varint
      {"\x08\x80"s, false},                                      // cut in the varint
      {"\x09"s + std::string(8, 'x'), true},                     // fixed64
      {"\x09"s + std::string(7, 'x'), false},                    //
      {"\x0d"s + std::string(4, 'x'), true},                     // fixed32
      {"\x0d"s + std::string(3, 'x'), false},                    //
      {"\x0b\x0c"s, false},                                      // groups are not in a SavedModel
      {"\x00\x01"s, false},                                      // field 0
      {std::string(12, '\xff'), false},                          // a varint that does not end
      {"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s, false},  // a length beyond everything
  };
  for (const Row& row : kRows) {
    EXPECT_EQ(IsWhole(row.bytes), row.is_whole) << ::testing::PrintToString(row.bytes);
  }
}

TEST(WholeProtobufTest, EveryCutOfAFileInsideAFieldIsSeen) {
  const std::string whole = "\x08\x01\x12\x7f" + std::string(127, 'g');
  for (size_t size = 3; size < whole.size(); ++size) {
    EXPECT_FALSE(IsWhole(whole.substr(0, size))) << size;
  }
  EXPECT_TRUE(IsWhole(whole));
}

class VersionDirTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/version_dir_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { fs::remove_all(dir_); }

  void Write(const std::string& name, std::string_view bytes) {
    fs::create_directories((dir_ / name).parent_path());
    std::ofstream(dir_ / name, std::ios::binary) << bytes;
  }

  fs::path dir_;
};

TEST_F(VersionDirTest, SavedModelIsWholeWithItsVariables) {
  EXPECT_EQ(InspectSavedModel(dir_), SavedModelState::kAbsent);
  Write("saved_model.pb",
        "\x08\x01\x12\x03"
        "ab");
  EXPECT_EQ(InspectSavedModel(dir_), SavedModelState::kPartial);
  Write("saved_model.pb",
        "\x08\x01\x12\x03"
        "abc");
  EXPECT_EQ(InspectSavedModel(dir_), SavedModelState::kWhole);
  Write("variables/variables.data-00000-of-00002", "x");
  EXPECT_EQ(InspectSavedModel(dir_), SavedModelState::kPartial);
  Write("variables/variables.index", "x");
  EXPECT_EQ(InspectSavedModel(dir_), SavedModelState::kPartial) << "one shard of two";
  Write("variables/variables.data-00001-of-00002", "x");
  EXPECT_EQ(InspectSavedModel(dir_), SavedModelState::kWhole);
  fs::remove(dir_ / "variables/variables.index");
  EXPECT_EQ(InspectSavedModel(dir_), SavedModelState::kPartial);
}

TEST_F(VersionDirTest, AFifoIsNoSavedModelAndNobodyWaitsForItsWriter) {
  ASSERT_EQ(mkfifo((dir_ / "saved_model.pb").c_str(), 0600), 0);
  EXPECT_EQ(InspectSavedModel(dir_), SavedModelState::kPartial);
}

TEST_F(VersionDirTest, TextSavedModelAndPlainFilesAreTakenAsTheyAre) {
  Write("saved_model.pbtxt", "saved_model_schema_version: 1");
  EXPECT_EQ(InspectSavedModel(dir_), SavedModelState::kWhole);
  Write("7", "");
  EXPECT_EQ(InspectSavedModel(dir_ / "7"), SavedModelState::kAbsent);
}

TEST_F(VersionDirTest, NewestChangeIgnoresTheDirectoryItselfOnceItHoldsSomething) {
  const fs::path version = dir_ / "1";
  Write("1/variables/deep/file", "x");
  const absl::StatusOr<absl::Time> before = NewestChange(version);
  ASSERT_TRUE(before.ok());
  fs::rename(version, dir_ / "2");  // changes the directory's own ctime only
  EXPECT_EQ(*NewestChange(dir_ / "2"), *before);
  // Change times come from the kernel's coarse clock: touch the file until that has moved on.
  while (*NewestChange(dir_ / "2") == *before) {
    fs::permissions(dir_ / "2/variables/deep/file", fs::perms::owner_read);
  }
  EXPECT_GT(*NewestChange(dir_ / "2"), *before);
}

TEST_F(VersionDirTest, NewestChangeOfAnEmptyDirectoryIsItsOwn) {
  fs::create_directory(dir_ / "1");
  ASSERT_TRUE(NewestChange(dir_ / "1").ok());
  EXPECT_GT(*NewestChange(dir_ / "1"), absl::Now() - absl::Minutes(1));
  EXPECT_EQ(NewestChange(dir_ / "gone").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(VersionDirTest, NewestChangeEndsOnLinksInACircle) {
  fs::create_directory(dir_ / "1");
  fs::create_directory_symlink("..", dir_ / "1/up");
  fs::create_directory_symlink(".", dir_ / "1/here");
  EXPECT_TRUE(NewestChange(dir_ / "1").ok());
}

}  // namespace
}  // namespace baton::storage
