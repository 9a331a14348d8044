#include "storage/local_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "testing/fake_clock.h"

namespace baton::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

constexpr std::string_view kWholePb(
    "\x08\x01\x12\x03"
    "abc",
    7);

class LocalStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/local_store_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { fs::remove_all(dir_); }

  void Write(const std::string& name, std::string_view bytes) {
    fs::create_directories((dir_ / name).parent_path());
    std::ofstream(dir_ / name, std::ios::binary) << bytes;
    // Change times come from the kernel's coarse clock, a tick behind; the fake clock starts a
    // little later.
    clock_.Set(absl::Now() + absl::Milliseconds(100));
  }
  absl::StatusOr<bool> IsSettledAfter(absl::Duration wait, const std::string& name) {
    const absl::Time now = clock_.Now();
    clock_.Advance(wait);
    const absl::StatusOr<bool> result = store_.IsSettled({1, dir_ / name});
    clock_.Set(now);
    return result;
  }

  baton::testing::FakeClock clock_;
  ArtifactState probed_ = ArtifactState::kUnknown;
  LocalStore store_{{.clock = &clock_}, [this](const std::string&) { return probed_; }};
  fs::path dir_;
};

TEST_F(LocalStoreTest, ListsNumbersInOrderOfName) {
  for (const char* name : {"10", "9", "001", "1", "abc", "1.tmp", "+4"})
    fs::create_directory(dir_ / name);
  Write("7", "a plain file");
  const auto versions = store_.ListVersions(dir_);
  ASSERT_TRUE(versions.ok());
  std::vector<std::string> names;
  for (const StoredVersion& version : *versions) names.push_back(fs::path(version.path).filename());
  EXPECT_THAT(names, ElementsAre("+4", "001", "1", "10", "7", "9"));
  EXPECT_EQ(versions->at(1).version, 1);
  EXPECT_EQ(versions->at(1).path, (dir_ / "001").string());
  EXPECT_EQ(store_.ListVersions(dir_.string() + "/")->at(1).path, (dir_ / "001").string());
  EXPECT_EQ(store_.ListVersions("file://" + dir_.string())->at(1).path, (dir_ / "001").string());
}

TEST_F(LocalStoreTest, MissingBasePathIsNotFoundInTheKnownText) {
  EXPECT_EQ(store_.ListVersions("/nonexistent/dir").status(),
            absl::NotFoundError("/nonexistent/dir not found"));
  Write("file", "");
  EXPECT_EQ(store_.ListVersions(dir_ / "file").status().message(),
            (dir_ / "file").string() + "; Not a directory");
  EXPECT_EQ(store_.ListVersions("gs://bucket/model").status().code(),
            absl::StatusCode::kUnimplemented);
}

TEST_F(LocalStoreTest, WholeVersionSettlesAfterOneQuietSecond) {
  Write("1/saved_model.pb", kWholePb);
  EXPECT_FALSE(*IsSettledAfter(absl::ZeroDuration(), "1"));
  EXPECT_FALSE(*IsSettledAfter(absl::Milliseconds(800), "1"));
  EXPECT_TRUE(*IsSettledAfter(absl::Milliseconds(1100), "1"));
}

TEST_F(LocalStoreTest, PartialVersionWaitsFiveSecondsAndIsThenTheEnginesProblem) {
  Write("1/saved_model.pb", kWholePb.substr(0, 6));
  EXPECT_FALSE(*IsSettledAfter(absl::Seconds(2), "1"));
  EXPECT_FALSE(*IsSettledAfter(absl::Milliseconds(4800), "1"));
  EXPECT_TRUE(*IsSettledAfter(absl::Milliseconds(5100), "1"));
  fs::create_directory(dir_ / "2");
  EXPECT_FALSE(*IsSettledAfter(absl::Seconds(2), "2"))
      << "an empty directory is a copy's first step";
  EXPECT_TRUE(*IsSettledAfter(absl::Seconds(6), "2"));
  Write("7", "a plain file");
  EXPECT_TRUE(*IsSettledAfter(absl::Seconds(6), "7"));
}

TEST_F(LocalStoreTest, EnginesDecideAboutWhatIsNotASavedModel) {
  Write("1/echo.txt", "x");
  EXPECT_FALSE(*IsSettledAfter(absl::Seconds(2), "1"));
  probed_ = ArtifactState::kWhole;
  EXPECT_TRUE(*IsSettledAfter(absl::Seconds(2), "1"));
  probed_ = ArtifactState::kPartial;
  EXPECT_FALSE(*IsSettledAfter(absl::Seconds(2), "1"));
  Write("2/saved_model.pb", kWholePb);
  EXPECT_FALSE(*IsSettledAfter(absl::Seconds(2), "2"))
      << "an engine may know that files are missing";
}

TEST_F(LocalStoreTest, VersionRenamedIntoPlaceIsSettledAtOnce) {
  Write("tmp/saved_model.pb", kWholePb);
  fs::rename(dir_ / "tmp", dir_ / "1");
  EXPECT_TRUE(*IsSettledAfter(absl::Milliseconds(1100), "1"));
  EXPECT_EQ(store_.IsSettled({1, dir_ / "gone"}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(LocalStoreTest, ChangeTimesInTheFutureSettleByOurOwnClock) {
  Write("1/saved_model.pb", kWholePb);
  clock_.Set(absl::Now() - absl::Hours(2));
  EXPECT_FALSE(*store_.IsSettled({1, dir_ / "1"}));
  clock_.Advance(absl::Milliseconds(900));
  EXPECT_FALSE(*store_.IsSettled({1, dir_ / "1"}));
  clock_.Advance(absl::Milliseconds(200));
  EXPECT_TRUE(*store_.IsSettled({1, dir_ / "1"}));
}

TEST_F(LocalStoreTest, WatchTellsOfChildrenThatComeAndGo) {
  base::Mutex mutex;
  base::CondVar woken;
  int calls = 0;
  const auto wait_for_calls = [&](int wanted) {
    base::MutexLock lock(mutex);
    while (calls < wanted) woken.Wait(mutex);
  };
  auto changed = [&] {
    base::MutexLock lock(mutex);
    ++calls;
    woken.NotifyAll();
  };
  std::unique_ptr<ModelStore::Watch> watch = store_.StartWatch(dir_, changed);
  if (watch == nullptr) GTEST_SKIP() << "no inotify here";
  fs::create_directory(dir_ / "1");
  wait_for_calls(1);
  fs::rename(dir_ / "1", dir_ / "2");
  wait_for_calls(2);
  // Two subscriptions of one directory share a watch; the end of one does not end the other.
  std::unique_ptr<ModelStore::Watch> second = store_.StartWatch(dir_, changed);
  second.reset();
  int before;
  {
    base::MutexLock lock(mutex);
    before = calls;
  }
  fs::remove(dir_ / "2");
  wait_for_calls(before + 1);
  watch.reset();
  EXPECT_EQ(store_.StartWatch("/nonexistent/dir", [] {}), nullptr);
}

}  // namespace
}  // namespace baton::storage
