#include "lifecycle/reconciler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "testing/fake_clock.h"
#include "testing/fake_executor.h"
#include "testing/fake_factory.h"

namespace baton::lifecycle {
namespace {

using baton::testing::FakeClock;
using baton::testing::FakeFactory;
using baton::testing::ManualExecutor;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The reconciler on the test's own thread: loads, destruction and events happen when the test says
// so.
class ReconcilerTest : public ::testing::Test {
 protected:
  ReconcilerTest() {
    monitor_.AddListener([this](const ServableId& id, const VersionStatus& status) {
      events_.push_back(id.name + "/" + std::to_string(id.version) + " " +
                        std::string(Name(status.state)) +
                        (status.status.ok() ? "" : " " + status.status.ToString()));
      if (on_event_) on_event_(id, status.state);
    });
  }

  void Desire(const std::string& name, std::vector<int64_t> versions) {
    std::vector<DesiredVersion> desired;
    for (const int64_t version : versions) {
      desired.push_back({version, "/" + name + "/" + std::to_string(version)});
    }
    reconciler_.SetDesired(name, desired);
  }
  // Everything that has been posted and scheduled, until nothing is left.
  void Settle() {
    while (RunEvents() || loads_.RunAll() > 0 || reaper_.RunAll() > 0) {
    }
  }
  bool RunEvents() {
    bool ran = false;
    for (; !posted_.empty(); ran = true) {
      auto event = std::move(posted_.front());
      posted_.pop_front();
      event();
    }
    return ran;
  }
  absl::StatusOr<ServableHandle> Resolve(const std::string& name,
                                         std::optional<int64_t> version = std::nullopt) {
    return registry_.Resolve({name, version, std::nullopt, {}});
  }
  absl::Status ResolveLabel(const std::string& name, const std::string& label) {
    return registry_.Resolve({name, std::nullopt, label, {}}).status();
  }
  std::vector<std::string> TakeEvents() { return std::exchange(events_, {}); }
  void Load(const std::string& name, std::vector<int64_t> versions) {
    Desire(name, std::move(versions));
    Settle();
    TakeEvents();
  }

  FakeClock clock_;
  FakeFactory factory_;
  ManualExecutor loads_;
  ManualExecutor reaper_;  // outlives every lease, also the registry's
  ServableRegistry registry_;
  StateMonitor monitor_;
  std::deque<absl::AnyInvocable<void()>> posted_;
  std::vector<std::string> events_;
  std::function<void(const ServableId&, VersionState)> on_event_;
  Reconciler reconciler_{
      {.max_load_retries = 2, .load_retry_interval = absl::Seconds(60), .clock = &clock_},
      &factory_,
      &registry_,
      &monitor_,
      &loads_,
      &reaper_,
      [this](absl::AnyInvocable<void()> event) { posted_.push_back(std::move(event)); }};
};

TEST_F(ReconcilerTest, VersionIsPublishedBeforeItIsAnnounced) {
  bool was_published = false;
  on_event_ = [&](const ServableId&, VersionState state) {
    if (state == VersionState::kAvailable) was_published = Resolve("m").ok();
  };
  Desire("m", {1});
  EXPECT_THAT(TakeEvents(), ElementsAre("m/1 START", "m/1 LOADING"));
  EXPECT_FALSE(Resolve("m").ok());
  EXPECT_FALSE(reconciler_.IsIdle());
  Settle();
  EXPECT_THAT(TakeEvents(), ElementsAre("m/1 AVAILABLE"));
  EXPECT_TRUE(was_published);
  EXPECT_THAT(factory_.paths(), ElementsAre("/m/1"));
}

TEST_F(ReconcilerTest, NewVersionReplacesTheOldOneWithoutAGap) {
  Load("m", {1});
  bool was_served = false;
  on_event_ = [&](const ServableId& id, VersionState state) {
    EXPECT_TRUE(Resolve("m").ok());
    if (id.version == 1 && state == VersionState::kUnloading) was_served = Resolve("m", 1).ok();
  };
  Desire("m", {2});
  Settle();
  EXPECT_THAT(TakeEvents(),
              ElementsAre("m/2 START", "m/2 LOADING", "m/2 AVAILABLE", "m/1 UNLOADING", "m/1 END"));
  EXPECT_TRUE(was_served) << "UNLOADING is announced before the version is removed";
  EXPECT_EQ((*Resolve("m"))->id().version, 2);
  EXPECT_EQ(Resolve("m", 1).status(),
            absl::NotFoundError("Servable not found for request: Specific(m, 1)"));
  EXPECT_THAT(factory_.destroyed(), ElementsAre("m/1"));
}

TEST_F(ReconcilerTest, HighestAvailableNumberWinsWhateverCameLast) {
  Load("m", {1, 5});
  Load("m", {1, 3, 5});
  EXPECT_EQ((*Resolve("m"))->id().version, 5);
  Load("m", {1, 3});
  EXPECT_EQ((*Resolve("m"))->id().version, 3);
}

TEST_F(ReconcilerTest, LeaseHoldsUpTheEndOfItsVersionAndOfNoOther) {
  Load("m", {1});
  Load("other", {1});
  ServableHandle handle = *Resolve("m");
  Desire("m", {2});
  Desire("other", {2});
  Settle();
  EXPECT_EQ(monitor_.Get("m", 2)->front().state, VersionState::kAvailable);
  EXPECT_EQ(monitor_.Get("m", 1)->front().state, VersionState::kUnloading);
  EXPECT_EQ(monitor_.Get("other", 1)->front().state, VersionState::kEnd);
  EXPECT_THAT(factory_.destroyed(), ElementsAre("other/1"));

  handle.reset();
  EXPECT_THAT(factory_.destroyed(), ElementsAre("other/1")) << "not on the request's thread";
  Settle();
  EXPECT_THAT(factory_.destroyed(), ElementsAre("other/1", "m/1"));
  EXPECT_EQ(monitor_.Get("m", 1)->front().state, VersionState::kEnd);
}

TEST_F(ReconcilerTest, FailedVersionLeavesTheOldOneServing) {
  Load("m", {1});
  factory_.FailNext({"m", 2}, absl::OutOfRangeError("Read less bytes than requested"));
  Desire("m", {2});
  for (int i = 0; i < 3; ++i) {
    Settle();
    clock_.Advance(absl::Seconds(60));
    reconciler_.RunTimers();
  }
  EXPECT_THAT(TakeEvents(), ElementsAre("m/2 START", "m/2 LOADING",
                                        "m/2 END OUT_OF_RANGE: Read less bytes than requested"));
  EXPECT_THAT(factory_.loads(), ElementsAre("m/1", "m/2", "m/2", "m/2"));
  EXPECT_EQ((*Resolve("m"))->id().version, 1);
  EXPECT_EQ(monitor_.Get("m", 1)->front().state, VersionState::kAvailable);

  Desire("m", {2});
  Settle();
  EXPECT_THAT(TakeEvents(), IsEmpty()) << "not tried again while it stays desired";
  factory_.FailNext({"m", 2}, absl::OkStatus(), 0);
  Desire("m", {1});
  Desire("m", {2});
  Settle();
  EXPECT_EQ((*Resolve("m"))->id().version, 2) << "gone and back, it is a new version";
}

TEST_F(ReconcilerTest, RetriesWaitOnTheClockAndHoldUpNobody) {
  factory_.FailNext({"m", 1}, absl::UnavailableError("not yet"), 1);
  Desire("m", {1});
  Settle();
  EXPECT_EQ(reconciler_.NextTimer(), clock_.Now() + absl::Seconds(60));
  Desire("other", {1});
  Settle();
  EXPECT_TRUE(Resolve("other").ok());
  clock_.Advance(absl::Seconds(59));
  reconciler_.RunTimers();
  Settle();
  EXPECT_FALSE(Resolve("m").ok());
  clock_.Advance(absl::Seconds(1));
  reconciler_.RunTimers();
  Settle();
  EXPECT_TRUE(Resolve("m").ok());
  EXPECT_EQ(reconciler_.NextTimer(), absl::InfiniteFuture());
  EXPECT_THAT(TakeEvents(), ElementsAre("m/1 START", "m/1 LOADING", "other/1 START",
                                        "other/1 LOADING", "other/1 AVAILABLE", "m/1 AVAILABLE"));
}

TEST_F(ReconcilerTest, LoadThatNobodyWantsAnyMoreIsDiscarded) {
  Desire("m", {1});
  loads_.RunAll();  // loaded, not yet heard of
  Desire("m", {});
  EXPECT_THAT(TakeEvents(), ElementsAre("m/1 START", "m/1 LOADING"));
  RunEvents();
  EXPECT_FALSE(Resolve("m").ok());
  EXPECT_THAT(factory_.destroyed(), IsEmpty());
  EXPECT_FALSE(reconciler_.IsIdle());
  Settle();
  EXPECT_THAT(factory_.destroyed(), ElementsAre("m/1"));
  EXPECT_THAT(TakeEvents(), ElementsAre("m/1 END CANCELLED: Loading of servable cancelled"));
  EXPECT_TRUE(reconciler_.IsIdle());
}

TEST_F(ReconcilerTest, LoadUnderWayIsToldThatNobodyWantsItAnyMore) {
  Desire("a", {1});
  RunEvents();
  ASSERT_TRUE(loads_.RunOne());
  EXPECT_FALSE(factory_.last_load()->cancelled());
  Desire("a", {});
  EXPECT_TRUE(factory_.last_load()->cancelled());
}

TEST_F(ReconcilerTest, LoadThatWaitsInTheQueueIsNotEvenTried) {
  Desire("m", {1});
  Desire("m", {});
  Settle();
  EXPECT_THAT(factory_.loads(), IsEmpty());
  EXPECT_THAT(TakeEvents(), ElementsAre("m/1 START", "m/1 LOADING",
                                        "m/1 END CANCELLED: Loading of servable cancelled"));
}

TEST_F(ReconcilerTest, LoadBetweenRetriesEndsAtOnce) {
  factory_.FailNext({"m", 1}, absl::UnavailableError("not yet"));
  Desire("m", {1});
  Settle();
  Desire("m", {});
  EXPECT_THAT(TakeEvents(), ElementsAre("m/1 START", "m/1 LOADING",
                                        "m/1 END CANCELLED: Loading of servable cancelled"));
  EXPECT_EQ(reconciler_.NextTimer(), absl::InfiniteFuture());
  EXPECT_TRUE(reconciler_.IsIdle());
}

TEST_F(ReconcilerTest, VersionDesiredAgainWhileItLoadsIsLoadedAfresh) {
  Desire("m", {1});
  Desire("m", {});
  Desire("m", {1});
  Settle();
  EXPECT_THAT(TakeEvents(), ElementsAre("m/1 START", "m/1 LOADING",
                                        "m/1 END CANCELLED: Loading of servable cancelled",
                                        "m/1 START", "m/1 LOADING", "m/1 AVAILABLE"));
}

TEST_F(ReconcilerTest, VersionDesiredAgainWhileItUnloadsWaitsAndIsLoadedAfresh) {
  Load("m", {1});
  ServableHandle handle = *Resolve("m");
  Desire("m", {});
  Desire("m", {1});
  Settle();
  EXPECT_THAT(TakeEvents(), ElementsAre("m/1 UNLOADING"));
  EXPECT_FALSE(Resolve("m").ok());
  handle.reset();
  Settle();
  EXPECT_THAT(TakeEvents(), ElementsAre("m/1 END", "m/1 START", "m/1 LOADING", "m/1 AVAILABLE"));
  EXPECT_THAT(factory_.loads(), ElementsAre("m/1", "m/1"));
}

TEST_F(ReconcilerTest, SameNumberElsewhereIsNotReloaded) {
  Load("m", {1});
  reconciler_.SetDesired("m", {{1, "/elsewhere/1"}});
  Settle();
  EXPECT_THAT(TakeEvents(), IsEmpty());
  EXPECT_THAT(factory_.paths(), ElementsAre("/m/1"));
}

TEST_F(ReconcilerTest, DefaultLabelRuleNeedsAnAvailableVersion) {
  Load("m", {1, 2});
  EXPECT_EQ(ResolveLabel("m", "stable"),
            absl::UnavailableError("Model labels does not init yet.stable"));
  EXPECT_TRUE(reconciler_.SetLabels({{"m", {{"stable", 1}}}}, false).ok());
  EXPECT_TRUE(ResolveLabel("m", "stable").ok());
  const absl::Status refused =
      reconciler_.SetLabels({{"m", {{"canary", 2}, {"stable", 7}}}}, false);
  EXPECT_EQ(refused,
            absl::FailedPreconditionError("Request to assign label to version 7 of model m, which "
                                          "is not currently available for inference"));
  EXPECT_TRUE(ResolveLabel("m", "stable").ok()) << "all labels are left as before";
  EXPECT_FALSE(ResolveLabel("m", "canary").ok());
  EXPECT_EQ(reconciler_.SetLabels({{"other", {{"a", 1}}}}, false).code(),
            absl::StatusCode::kFailedPrecondition);

  Load("m", {2});
  EXPECT_EQ(ResolveLabel("m", "stable"),
            absl::NotFoundError("Servable not found for request: Specific(m, 1)"))
      << "a label stays when its version goes";
  EXPECT_TRUE(reconciler_.SetLabels({{"m", {}}}, false).ok());
  EXPECT_EQ(ResolveLabel("m", "stable"),
            absl::InvalidArgumentError("Unrecognized servable version label: stable"));
}

TEST_F(ReconcilerTest, RelaxedLabelRuleAllowsNewLabelsAnywhereButNotMoves) {
  Load("m", {1});
  EXPECT_TRUE(reconciler_.SetLabels({{"m", {{"next", 2}}}}, true).ok());
  EXPECT_TRUE(reconciler_.SetLabels({{"m", {{"next", 2}}}}, true).ok()) << "said again";
  EXPECT_FALSE(reconciler_.SetLabels({{"m", {{"next", 3}}}}, true).ok()) << "moved";
  EXPECT_TRUE(reconciler_.SetLabels({{"m", {{"next", 1}}}}, true).ok()) << "moved to a live one";
  EXPECT_FALSE(reconciler_.CheckLabels({{"m", {{"next", 3}}}}, true).ok());
}

TEST_F(ReconcilerTest, RetireAllEndsEverything) {
  Load("a", {1, 2});
  Desire("b", {1});
  factory_.FailNext({"c", 1}, absl::InternalError("no"));
  Desire("c", {1});
  reconciler_.RetireAll();
  Settle();
  EXPECT_TRUE(reconciler_.IsIdle());
  EXPECT_THAT(registry_.List(), IsEmpty());
  EXPECT_THAT(factory_.destroyed(), ElementsAre("a/1", "a/2"));
  for (const auto& [name, versions] : monitor_.All()) {
    for (const VersionStatus& version : versions) {
      EXPECT_EQ(version.state, VersionState::kEnd) << name << "/" << version.version;
    }
  }
}

// The texts after the "]" of every log line.
std::vector<std::string> LogTexts(const std::string& log) {
  std::vector<std::string> texts;
  size_t begin = 0;
  while (begin < log.size()) {
    const size_t end = log.find('\n', begin);
    const std::string line = log.substr(begin, end - begin);
    texts.push_back(line.substr(line.find("] ") + 2));
    begin = end + 1;
  }
  return texts;
}

TEST_F(ReconcilerTest, LogsTheLinesOperatorsKnow) {
  ::testing::internal::CaptureStderr();
  Load("m", {1});
  Load("m", {});
  EXPECT_THAT(LogTexts(::testing::internal::GetCapturedStderr()),
              ElementsAre("Successfully reserved resources to load servable {name: m version: 1}",
                          "Approving load for servable version {name: m version: 1}",
                          "Loading servable version {name: m version: 1}",
                          "Successfully loaded servable version {name: m version: 1}",
                          "Quiescing servable version {name: m version: 1}",
                          "Done quiescing servable version {name: m version: 1}",
                          "Unloading just-loaded servable version {name: m version: 1}",
                          "Done unloading servable version {name: m version: 1}"));
}

TEST_F(ReconcilerTest, LogsRetriesAndFailure) {
  ::testing::internal::CaptureStderr();
  factory_.FailNext({"m", 3}, absl::OutOfRangeError("short"));
  Desire("m", {3});
  for (int i = 0; i < 3; ++i) {
    Settle();
    clock_.Advance(absl::Seconds(60));
    reconciler_.RunTimers();
  }
  const std::string id = "{name: m version: 3}";
  const std::string failed = "Loading servable: " + id + " failed: OUT_OF_RANGE: short";
  EXPECT_THAT(
      LogTexts(::testing::internal::GetCapturedStderr()),
      ElementsAre("Successfully reserved resources to load servable " + id,
                  "Approving load for servable version " + id, "Loading servable version " + id,
                  failed, "Retrying of Loading servable: " + id + " retry: 1", failed,
                  "Retrying of Loading servable: " + id + " retry: 2", failed,
                  "Retrying of Loading servable: " + id + " exhausted max_num_retries: 2",
                  "Encountered an error for servable version " + id + ": OUT_OF_RANGE: short",
                  "Servable " + id + " cannot be loaded: OUT_OF_RANGE: short"));
}

}  // namespace
}  // namespace baton::lifecycle
