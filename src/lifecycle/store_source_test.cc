#include "lifecycle/store_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lifecycle/model_poll.h"
#include "testing/fake_factory.h"
#include "testing/fake_store.h"

namespace baton::lifecycle {
namespace {

using baton::testing::FakeFactory;
using baton::testing::FakeStore;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// One look at a time, without a thread.
class ModelPollTest : public ::testing::Test {
 protected:
  // "-" when nothing is to be changed, else the paths that should serve.
  std::string Poll(VersionPolicy policy = LatestVersions{}, bool is_loud = true) {
    ::testing::internal::CaptureStderr();
    result_ = PollModel(store_, "m", {"/m", std::move(policy)}, is_loud, memory_);
    log_ = ::testing::internal::GetCapturedStderr();
    if (!result_.desired.has_value()) return "-";
    std::string paths;
    for (const DesiredVersion& version : *result_.desired) paths += version.path + " ";
    return paths;
  }

  FakeStore store_;
  PollMemory memory_;
  PollResult result_;
  std::string log_;
};

TEST_F(ModelPollTest, PolicyChoosesAmongWhatIsThere) {
  store_.Put("/m", {"1", "2", "10"});
  EXPECT_EQ(Poll(), "/m/10 ");
  EXPECT_EQ(Poll(LatestVersions{2}), "/m/2 /m/10 ");
  EXPECT_EQ(Poll(AllVersions{}), "/m/1 /m/2 /m/10 ");
  EXPECT_EQ(Poll(SpecificVersions{{2}}), "/m/2 ");
  EXPECT_THAT(log_, IsEmpty());
}

TEST_F(ModelPollTest, MissingBasePathChangesNothingAndIsLogged) {
  EXPECT_EQ(Poll(), "-");
  EXPECT_FALSE(result_.is_readable);
  EXPECT_THAT(log_,
              HasSubstr("FileSystemStoragePathSource encountered a filesystem access error: Could "
                        "not find base path /m for servable m with error NOT_FOUND: /m not found"));
  store_.Put("/m", {"1"});
  store_.SetError("/m", absl::PermissionDeniedError("/m; Permission denied"));
  EXPECT_EQ(Poll(), "-");
  EXPECT_THAT(log_, HasSubstr("FileSystemStoragePathSource encountered a filesystem access error: "
                              "/m; Permission denied\n"));
  Poll(LatestVersions{}, false);
  EXPECT_THAT(log_, IsEmpty());
}

TEST_F(ModelPollTest, NoVersionsUnloadsEverythingWithAWarning) {
  store_.Put("/m", {});
  EXPECT_EQ(Poll(), "");
  EXPECT_THAT(log_, HasSubstr("No versions of servable m found under base path /m. Did you forget "
                              "to name your leaf directory as a number (eg. '/1/')?"));
}

TEST_F(ModelPollTest, MissingSpecificVersionsAreSkippedWithAWarning) {
  store_.Put("/m", {"1", "00000123"});
  EXPECT_EQ(Poll(SpecificVersions{{77, 123}}), "/m/00000123 ");
  EXPECT_THAT(log_, HasSubstr("Version 77 of servable m, which was requested to be served as a "
                              "'specific' version in the servable's version policy, was not found "
                              "in the file system"));
  EXPECT_THAT(log_, Not(HasSubstr("No versions of servable")));
  EXPECT_EQ(Poll(SpecificVersions{{77}}), "");
  EXPECT_THAT(log_, HasSubstr("No versions of servable m found under base path /m."));
  EXPECT_EQ(Poll(SpecificVersions{}), "");
  EXPECT_THAT(log_, HasSubstr("No specific versions requested for servable m."));
  EXPECT_THAT(log_, Not(HasSubstr("No versions of servable")));
}

TEST_F(ModelPollTest, OfDoubledNamesTheLastWinsButTheFirstWhenAllAreServed) {
  store_.Put("/m", {"001", "1"});
  EXPECT_EQ(Poll(), "/m/1 ");
  EXPECT_THAT(log_, HasSubstr("version 1 is served from /m/1, not from /m/001"));
  EXPECT_EQ(Poll(), "/m/1 ");
  EXPECT_THAT(log_, IsEmpty()) << "said once";
  EXPECT_EQ(Poll(AllVersions{}), "/m/001 ");
  EXPECT_THAT(log_, HasSubstr("version 1 is served from /m/001, not from /m/1"));
}

TEST_F(ModelPollTest, UnsettledVersionWaitsAndTheNextBestServes) {
  store_.Put("/m", {"1"});
  EXPECT_EQ(Poll(), "/m/1 ");
  store_.SetSettled("/m/2", false);
  store_.Put("/m", {"1", "2"});
  EXPECT_EQ(Poll(), "/m/1 ");
  EXPECT_TRUE(result_.is_unsettled);
  EXPECT_EQ(Poll(SpecificVersions{{2}}), "-") << "what serves now goes on serving";
  store_.Put("/m", {"2"});
  EXPECT_EQ(Poll(), "-") << "also when its directory is gone";
  store_.SetSettled("/m/2", true);
  EXPECT_EQ(Poll(), "/m/2 ");
  EXPECT_FALSE(result_.is_unsettled);
}

TEST_F(ModelPollTest, SettledVersionIsAskedAboutOnceAsLongAsItStays) {
  store_.Put("/m", {"1", "2"});
  Poll();
  Poll();
  EXPECT_EQ(store_.settle_checks("/m/2"), 1);
  EXPECT_EQ(store_.settle_checks("/m/1"), 0) << "what nobody wants is not looked at";
  store_.Put("/m", {"1"});
  Poll();
  store_.SetSettled("/m/2", false);
  store_.Put("/m", {"1", "2"});
  EXPECT_EQ(Poll(), "/m/1 ") << "gone and back, it settles again";
}

class StoreSourceTest : public ::testing::Test {
 protected:
  StoreSourceTest() {
    monitor_.AddListener([this](const ServableId&, const VersionStatus&) {
      base::MutexLock lock(mutex_);
      changed_.NotifyAll();
    });
  }

  // Polling is an hour away: what happens, happens because of SetModels and the watch.
  void Start(absl::Duration poll_interval = absl::Hours(1)) {
    source_ = std::make_unique<StoreSource>(StoreSource::Options{.poll_interval = poll_interval},
                                            &store_, &manager_);
  }
  std::string States(const std::string& name) {
    std::string text;
    const auto versions = monitor_.Get(name, std::nullopt);
    if (!versions.ok()) return text;
    for (const VersionStatus& version : *versions) {
      text += std::to_string(version.version) + ":" + std::string(Name(version.state)) +
              (version.status.ok() ? "" : "!") + " ";
    }
    return text;
  }
  void WaitForStates(const std::string& name, const std::string& states) {
    base::MutexLock lock(mutex_);
    while (States(name) != states) changed_.Wait(mutex_);
  }

  base::Mutex mutex_;
  base::CondVar changed_;
  FakeStore store_;
  FakeFactory factory_;
  base::ThreadPool reaper_{{.name = "reaper", .threads = 1}};
  base::ThreadPool loads_{{.name = "loads", .threads = 1}};
  ServableRegistry registry_;
  StateMonitor monitor_;
  ServableManager manager_{
      {.max_load_retries = 0}, &factory_, &registry_, &monitor_, &loads_, &reaper_};
  std::unique_ptr<StoreSource> source_;
};

// contract/observed/lifecycle.json, scenario "latest".
TEST_F(StoreSourceTest, ReplaysTheSequenceSeenOnARealServer) {
  factory_.FailNext({"m", 11}, absl::NotFoundError("no SavedModel"));
  factory_.FailNext({"m", 12}, absl::OutOfRangeError("Read less bytes than requested"));
  store_.Put("/m", {"1"});
  Start();
  source_->SetModels({{"m", {"/m", LatestVersions{}}}});
  WaitForStates("m", "1:AVAILABLE ");
  struct Step {
    const char* what;
    std::vector<std::string> names;
    const char* states;
  };
  const Step kSteps[] = {
      {"version 2 added", {"1", "2"}, "2:AVAILABLE 1:END "},
      {"version 10 added", {"1", "2", "10"}, "10:AVAILABLE 2:END 1:END "},
      {"version 10 removed", {"1", "2"}, "10:END 2:AVAILABLE 1:END "},
      {"empty dir 11 added", {"1", "2", "11"}, "11:END! 10:END 2:AVAILABLE 1:END "},
      {"broken 12 added", {"1", "2", "11", "12"}, "12:END! 11:END! 10:END 2:AVAILABLE 1:END "},
      {"good 13 added",
       {"1", "2", "11", "12", "13"},
       "13:AVAILABLE 12:END! 11:END! 10:END 2:END 1:END "},
      {"base path back, empty", {}, "13:END 12:END! 11:END! 10:END 2:END 1:END "},
      {"version 14", {"14"}, "14:AVAILABLE 13:END 12:END! 11:END! 10:END 2:END 1:END "},
  };
  for (const Step& step : kSteps) {
    SCOPED_TRACE(step.what);
    store_.Put("/m", step.names);
    WaitForStates("m", step.states);
  }
}

TEST_F(StoreSourceTest, VersionRemovedSeenAndPutBackIsLoadedAgain) {
  store_.Put("/m", {"5"});
  Start();
  source_->SetModels({{"m", {"/m", LatestVersions{}}}});
  WaitForStates("m", "5:AVAILABLE ");
  store_.Put("/m", {});
  WaitForStates("m", "5:END ");
  store_.Put("/m", {"5"});
  WaitForStates("m", "5:AVAILABLE ");
  EXPECT_THAT(factory_.loads(), ElementsAre("m/5", "m/5"));
}

TEST_F(StoreSourceTest, OneMissingBasePathHoldsUpNobody) {
  store_.Put("/b", {"1"});
  Start(absl::Milliseconds(1));
  source_->SetModels({{"a", {"/missing", LatestVersions{}}}, {"b", {"/b", LatestVersions{}}}});
  WaitForStates("b", "1:AVAILABLE ");
  store_.Put("/b", {"1", "2"});
  WaitForStates("b", "2:AVAILABLE 1:END ");
  store_.Remove("/b");
  store_.Put("/missing", {"1"});
  WaitForStates("a", "1:AVAILABLE ");
  EXPECT_EQ(States("b"), "2:AVAILABLE 1:END ") << "a base path that goes missing unloads nothing";
}

TEST_F(StoreSourceTest, ChangesOfTheSetOfModelsTakeEffectAtOnce) {
  store_.Put("/a", {"1", "2"});
  store_.Put("/b", {"1"});
  Start();
  source_->SetModels({{"a", {"/a", LatestVersions{}}}, {"b", {"/b", LatestVersions{}}}});
  WaitForStates("a", "2:AVAILABLE ");
  WaitForStates("b", "1:AVAILABLE ");
  source_->SetModels({{"a", {"/a", SpecificVersions{{1}}}}});
  WaitForStates("a", "2:END 1:AVAILABLE ");
  WaitForStates("b", "1:END ");
  source_->SetModels({{"a", {"/b", LatestVersions{}}}, {"b", {"/b", LatestVersions{}}}});
  WaitForStates("b", "1:AVAILABLE ");
  EXPECT_EQ(States("a"), "2:END 1:AVAILABLE ") << "the same number elsewhere is not reloaded";
  source_->SetModels({});
  WaitForStates("a", "2:END 1:END ");
  EXPECT_THAT(factory_.loads(), ElementsAre("a/2", "b/1", "a/1", "b/1"));
}

TEST_F(StoreSourceTest, ModelLeftOutAndNamedAgainIsLoadedAgain) {
  store_.Put("/m", {"1"});
  Start();
  for (int round = 1; round <= 3; ++round) {
    source_->SetModels({{"m", {"/m", LatestVersions{}}}});
    WaitForStates("m", "1:AVAILABLE ");
    source_->SetModels({});
    WaitForStates("m", "1:END ");
  }
}

TEST_F(StoreSourceTest, UnsettledVersionIsLookedAtAgainSoon) {
  store_.SetSettled("/m/1", false);
  store_.Put("/m", {"1"});
  Start();
  source_->SetModels({{"m", {"/m", LatestVersions{}}}, {"z", {"/z", LatestVersions{}}}});
  store_.Put("/z", {"1"});
  store_.SetSettled("/m/1", true);
  WaitForStates("m", "1:AVAILABLE ");  // an hour early
}

TEST_F(StoreSourceTest, IntervalZeroPollsEveryModelOnce) {
  store_.Put("/a", {"1"});
  store_.Put("/b", {"1"});
  Start(absl::ZeroDuration());
  source_->SetModels({{"a", {"/a", LatestVersions{}}}});
  WaitForStates("a", "1:AVAILABLE ");
  store_.Put("/a", {"1", "2"});
  source_->SetModels({{"a", {"/a", LatestVersions{}}}, {"b", {"/b", LatestVersions{}}}});
  WaitForStates("b", "1:AVAILABLE ");
  EXPECT_EQ(store_.lists("/a"), 1);
  EXPECT_EQ(store_.watches(), 0u);
}

TEST_F(StoreSourceTest, NegativeIntervalNeverPolls) {
  store_.Put("/a", {"1"});
  Start(absl::Seconds(-1));
  source_->SetModels({{"a", {"/a", LatestVersions{}}}});
  source_ = nullptr;
  EXPECT_EQ(store_.lists("/a"), 0);
}

TEST_F(StoreSourceTest, WatchesEndWithTheSource) {
  store_.Put("/a", {"1"});
  Start();
  source_->SetModels({{"a", {"/a", LatestVersions{}}}});
  WaitForStates("a", "1:AVAILABLE ");
  EXPECT_EQ(store_.watches(), 1u);
  source_ = nullptr;
  EXPECT_EQ(store_.watches(), 0u);
}

}  // namespace
}  // namespace baton::lifecycle
