#include "reqlog/record_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "storage/tfrecord.h"
#include "testing/fake_clock.h"

namespace baton::reqlog {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;

class RecordFileTest : public ::testing::Test {
 protected:
  RecordFileTest() {
    std::string name = ::testing::TempDir() + "record-file-XXXXXX";
    folder_ = mkdtemp(name.data());
    clock_.Set(absl::FromUnixMillis(1'700'000'000'123));
  }
  ~RecordFileTest() override { fs::remove_all(folder_); }

  RecordFile NewFile(RecordFile::Options options = {}) {
    options.clock = &clock_;
    return RecordFile(options, folder_ + "/log");
  }
  static absl::Status Append(RecordFile& file, std::string_view text) {
    const base::Buffer pieces[] = {base::Buffer::Copy(text.substr(0, text.size() / 2)),
                                   base::Buffer(),
                                   base::Buffer::Copy(text.substr(text.size() / 2))};
    return file.Append(pieces);
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  std::vector<std::string> Records(const std::string& name) const {
    std::vector<std::string> records;
    auto reader = storage::TfRecordReader::Open(folder_ + "/" + name);
    if (!reader.ok()) return {reader.status().ToString()};
    while (true) {
      const auto record = reader->Next();
      if (!record.ok()) records.push_back(record.status().ToString());
      if (!record.ok() || !record->has_value()) return records;
      records.emplace_back((*record)->view());
    }
  }

  baton::testing::FakeClock clock_;
  std::string folder_;
};

TEST_F(RecordFileTest, HasItsFinalNameOnlyWhenComplete) {
  RecordFile file = NewFile();
  EXPECT_THAT(Names(), IsEmpty()) << "no record, no file";
  ASSERT_EQ(Append(file, "first"), absl::OkStatus());
  ASSERT_EQ(Append(file, ""), absl::OkStatus());
  const std::string name = base::StrCat("log-20231114T221320.123Z-", getpid(), "-000000.tfrecord");
  EXPECT_THAT(Names(), ElementsAre(name + ".tmp"));
  EXPECT_EQ(file.Close(), absl::OkStatus());
  EXPECT_THAT(Names(), ElementsAre(name));
  EXPECT_THAT(Records(name), ElementsAre("first", ""));
  EXPECT_EQ(file.Close(), absl::OkStatus()) << "again";
  ASSERT_EQ(Append(file, "second"), absl::OkStatus());
  EXPECT_THAT(Names(), ElementsAre(name, MatchesRegex("log-.*-000001.tfrecord.tmp")));
}

TEST_F(RecordFileTest, IsCompletedByItsEnd) {
  {
    ASSERT_EQ(Append(*std::make_unique<RecordFile>(RecordFile::Options{}, folder_ + "/log"), "a"),
              absl::OkStatus());
  }
  EXPECT_THAT(Names(), ElementsAre(MatchesRegex("log-.*tfrecord")));
}

TEST_F(RecordFileTest, BeginsTheNextFileWhenARecordDoesNotFit) {
  RecordFile file = NewFile({.max_bytes = 60});  // a record of 10 bytes takes 26
  for (const char* record :
       {"0123456789", "1123456789", "2123456789", "much longer than a file may be, by some"}) {
    ASSERT_EQ(Append(file, record), absl::OkStatus());
  }
  ASSERT_EQ(Append(file, "3123456789"), absl::OkStatus());
  ASSERT_EQ(file.Close(), absl::OkStatus());
  const std::vector<std::string> names = Names();
  ASSERT_EQ(names.size(), 4u);
  EXPECT_THAT(Records(names[0]), ElementsAre("0123456789", "1123456789"));
  EXPECT_THAT(Records(names[1]), ElementsAre("2123456789"));
  EXPECT_THAT(Records(names[2]), ElementsAre("much longer than a file may be, by some"));
  EXPECT_THAT(Records(names[3]), ElementsAre("3123456789"));
}

TEST_F(RecordFileTest, BeginsTheNextFileWhenItIsOldEnough) {
  RecordFile file = NewFile({.max_age = absl::Seconds(60)});
  EXPECT_EQ(file.ends_at(), absl::InfiniteFuture());
  ASSERT_EQ(Append(file, "one"), absl::OkStatus());
  EXPECT_EQ(file.ends_at(), clock_.Now() + absl::Seconds(60));
  clock_.Advance(absl::Seconds(59));
  ASSERT_EQ(Append(file, "two"), absl::OkStatus());
  clock_.Advance(absl::Seconds(1));
  ASSERT_EQ(Append(file, "three"), absl::OkStatus());
  EXPECT_THAT(Names(), ElementsAre(MatchesRegex("log-20231114T221320.*tfrecord"),
                                   MatchesRegex("log-20231114T221420.*tmp")));
  EXPECT_THAT(Records(Names()[0]), ElementsAre("one", "two"));
}

TEST_F(RecordFileTest, KeepsTheNewestFilesAndWhatIsNotItsOwn) {
  const std::vector<std::string> strangers = {
      "log", "log-1.tfrecord", "log-20231114T221320.123Z-1-1.tfrecord.gz",
      "log-more-20231114T221320.123Z-1-1.tfrecord", "other-20231114T221320.123Z-1-1.tfrecord"};
  for (const std::string& name : strangers) std::ofstream(folder_ + "/" + name) << "x";
  // Of an earlier server; one was not completed.
  std::ofstream(folder_ + "/log-20221114T221320.123Z-7-000000.tfrecord") << "x";
  std::ofstream(folder_ + "/log-20221114T221320.123Z-7-000001.tfrecord.tmp") << "x";
  RecordFile file = NewFile({.max_files = 3});
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(Append(file, "x"), absl::OkStatus());
    ASSERT_EQ(file.Close(), absl::OkStatus());
    clock_.Advance(absl::Seconds(1));
  }
  EXPECT_THAT(Names(), ::testing::IsSupersetOf(strangers));
  EXPECT_EQ(Names().size(), strangers.size() + 3);
  EXPECT_THAT(Names(), ::testing::Contains("log-20221114T221320.123Z-7-000001.tfrecord.tmp"));
  ASSERT_EQ(Append(file, "x"), absl::OkStatus());
  ASSERT_EQ(file.Close(), absl::OkStatus());
  EXPECT_EQ(Names().size(), strangers.size() + 3);
  EXPECT_THAT(Names(), ::testing::Not(::testing::Contains(MatchesRegex("log-2022.*"))));
  EXPECT_THAT(Names(), ::testing::IsSupersetOf(strangers));
}

TEST_F(RecordFileTest, NeverTakesANameThatIsInUse) {
  const std::string stem = base::StrCat("log-20231114T221320.123Z-", getpid(), "-00000");
  std::ofstream(folder_ + "/" + stem + "0.tfrecord") << "x";
  std::ofstream(folder_ + "/" + stem + "1.tfrecord.tmp") << "x";
  RecordFile file = NewFile();
  ASSERT_EQ(Append(file, "mine"), absl::OkStatus());
  ASSERT_EQ(file.Close(), absl::OkStatus());
  EXPECT_THAT(Records(stem + "2.tfrecord"), ElementsAre("mine"));
  EXPECT_EQ(fs::file_size(folder_ + "/" + stem + "0.tfrecord"), 1u);
}

// A limit on the size of files stands for a full disk: a write ends halfway, the next one fails.
TEST_F(RecordFileTest, TakesBackAHalfWrittenRecord) {
  RecordFile file = NewFile();
  ASSERT_EQ(Append(file, "whole"), absl::OkStatus());
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{1000, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const absl::Status status = Append(file, std::string(5000, 'x'));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_THAT(base::ToStd(status.message()), ::testing::HasSubstr("File too large"));
  ASSERT_EQ(Append(file, "room again"), absl::OkStatus());
  ASSERT_EQ(file.Close(), absl::OkStatus());
  ASSERT_EQ(Names().size(), 1u);
  EXPECT_THAT(Records(Names()[0]), ElementsAre("whole", "room again"));
}

TEST_F(RecordFileTest, SaysWhichFileItCannotWrite) {
  RecordFile file = NewFile();
  fs::remove_all(folder_);
  EXPECT_THAT(Append(file, "x").ToString(), MatchesRegex("NOT_FOUND: .*/log-.*tmp not found"));
  fs::create_directories(folder_);
  EXPECT_EQ(Append(file, "x"), absl::OkStatus());
  fs::remove_all(folder_);
  EXPECT_THAT(file.Close().ToString(), MatchesRegex("NOT_FOUND: .*/log-.*tmp not found"));
}

TEST_F(RecordFileTest, MakesTheDirectoryOfAPrefix) {
  EXPECT_EQ(RecordFile::PrepareDirectory(folder_ + "/a/b/log"), absl::OkStatus());
  EXPECT_TRUE(fs::is_directory(folder_ + "/a/b"));
  EXPECT_EQ(RecordFile::PrepareDirectory(folder_ + "/a/b/log"), absl::OkStatus()) << "again";
  EXPECT_EQ(RecordFile::PrepareDirectory("log"), absl::OkStatus()) << "the current one";
  std::ofstream(folder_ + "/file") << "x";
  EXPECT_EQ(RecordFile::PrepareDirectory(folder_ + "/file/c/log"),
            absl::FailedPreconditionError(base::StrCat(folder_, "/file/c; Not a directory")));
}

TEST_F(RecordFileTest, ADirectoryAsPrefixGivesPlainNames) {
  RecordFile file({.clock = &clock_}, folder_ + "/");
  ASSERT_EQ(Append(file, "x"), absl::OkStatus());
  EXPECT_THAT(Names(), ElementsAre(MatchesRegex("20231114T.*tfrecord.tmp")));
}

}  // namespace
}  // namespace baton::reqlog
