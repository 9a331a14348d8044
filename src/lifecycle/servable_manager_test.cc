#include "lifecycle/servable_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "testing/fake_factory.h"

namespace baton::lifecycle {
namespace {

using baton::testing::FakeFactory;

class ServableManagerTest : public ::testing::Test {
 protected:
  ServableManagerTest() {
    monitor_.AddListener([this](const ServableId&, const VersionStatus&) {
      base::MutexLock lock(mutex_);
      changed_.NotifyAll();
    });
  }

  void Desire(const std::string& name, std::vector<int64_t> versions) {
    std::vector<DesiredVersion> desired;
    for (const int64_t version : versions) desired.push_back({version, "/" + name});
    manager_.SetDesired(name, std::move(desired));
  }
  void WaitFor(const std::string& name, int64_t version, VersionState state) {
    base::MutexLock lock(mutex_);
    while (true) {
      const auto status = monitor_.Get(name, version);
      if (status.ok() && status->front().state == state) return;
      changed_.Wait(mutex_);
    }
  }
  absl::StatusOr<ServableHandle> Resolve(std::string_view name) {
    return registry_.Resolve({name, std::nullopt, std::nullopt, {}});
  }

  base::Mutex mutex_;
  base::CondVar changed_;
  FakeFactory factory_;
  base::ThreadPool reaper_{{.name = "reaper", .threads = 1}};
  base::ThreadPool loads_{{.name = "loads", .threads = 2}};
  ServableRegistry registry_;
  StateMonitor monitor_;
  ServableManager manager_{{.max_load_retries = 3, .load_retry_interval = absl::Milliseconds(1)},
                           &factory_,
                           &registry_,
                           &monitor_,
                           &loads_,
                           &reaper_};
};

TEST_F(ServableManagerTest, LoadsServesRetriesAndUnloadsOnItsOwnThreads) {
  factory_.FailNext({"m", 1}, absl::UnavailableError("not yet"), 2);
  Desire("m", {1});
  WaitFor("m", 1, VersionState::kAvailable);
  ASSERT_TRUE(Resolve("m").ok());
  EXPECT_EQ(factory_.loads().size(), 3u);
  Desire("m", {});
  WaitFor("m", 1, VersionState::kEnd);
  EXPECT_EQ(factory_.destroyed().size(), 1u);
}

TEST_F(ServableManagerTest, LabelsAreAnsweredByTheLoop) {
  Desire("m", {1});
  WaitFor("m", 1, VersionState::kAvailable);
  EXPECT_TRUE(manager_.CheckLabels({{"m", {{"stable", 1}}}}, false).ok());
  EXPECT_TRUE(manager_.SetLabels({{"m", {{"stable", 1}}}}, false).ok());
  EXPECT_FALSE(manager_.SetLabels({{"m", {{"stable", 2}}}}, false).ok());
  EXPECT_TRUE(registry_.Resolve({"m", std::nullopt, "stable", {}}).ok());
  manager_.Stop();
  EXPECT_EQ(manager_.SetLabels({}, false).code(), absl::StatusCode::kCancelled);
}

TEST_F(ServableManagerTest, StopWaitsForLeasesUntilItsDeadline) {
  Desire("m", {1});
  Desire("other", {1});
  WaitFor("m", 1, VersionState::kAvailable);
  WaitFor("other", 1, VersionState::kAvailable);
  ServableHandle handle = *Resolve("m");
  manager_.Stop(absl::Now() + absl::Milliseconds(20));
  EXPECT_FALSE(Resolve("m").ok());
  EXPECT_EQ(handle->id().version, 1) << "a lease outlives the manager's loop";
  EXPECT_EQ(monitor_.Get("other", 1)->front().state, VersionState::kEnd);
  Desire("m", {2});
  manager_.Stop();
}

TEST_F(ServableManagerTest, StopWithoutDeadlineWaitsForTheLastLease) {
  Desire("m", {1});
  WaitFor("m", 1, VersionState::kAvailable);
  ServableHandle handle = *Resolve("m");
  std::thread request([&] {
    WaitFor("m", 1, VersionState::kUnloading);
    handle.reset();
  });
  manager_.Stop();
  request.join();
  EXPECT_EQ(factory_.destroyed().size(), 1u);
}

TEST_F(ServableManagerTest, NothingIsLoadedAnyMoreOnceStopHasBegun) {
  Desire("m", {1});
  WaitFor("m", 1, VersionState::kAvailable);
  ServableHandle handle = *Resolve("m");
  std::thread source([&] {
    WaitFor("m", 1, VersionState::kUnloading);
    Desire("m", {2});
    Desire("late", {1});
    EXPECT_TRUE(manager_.CheckLabels({}, false).ok()) << "the loop has come past both";
    handle.reset();
  });
  manager_.Stop(absl::Now() + absl::Seconds(20));
  source.join();
  EXPECT_EQ(factory_.loads(), std::vector<std::string>{"m/1"});
  EXPECT_FALSE(monitor_.Get("late", std::nullopt).ok());
}

TEST_F(ServableManagerTest, EightThreadsResolveWhileVersionsAreSwapped) {
  Desire("m", {1});
  WaitFor("m", 1, VersionState::kAvailable);
  std::atomic<bool> is_over{false};
  std::atomic<int64_t> resolved{0};
  std::vector<std::thread> requests;
  for (int i = 0; i < 8; ++i) {
    requests.emplace_back([&] {
      int64_t last = 0;
      ServableHandle held;
      for (int64_t n = 0; !is_over.load(std::memory_order_relaxed); ++n) {
        absl::StatusOr<ServableHandle> handle = Resolve("m");
        ASSERT_TRUE(handle.ok()) << "there is no moment without a version";
        ASSERT_GE((*handle)->id().version, last) << "and none where an old one comes back";
        last = (*handle)->id().version;
        resolved.fetch_add(1, std::memory_order_relaxed);
        if (n % 64 == 0) held = *std::move(handle);  // some requests are long
        if (n % 256 == 0) std::this_thread::yield();
      }
    });
  }
  constexpr int64_t kVersions = 100;
  for (int64_t version = 2; version <= kVersions; ++version) {
    Desire("m", {version});
    WaitFor("m", version, VersionState::kAvailable);
  }
  is_over = true;
  for (std::thread& request : requests) request.join();
  EXPECT_GT(resolved.load(), 0);
  manager_.Stop();
  EXPECT_EQ(factory_.destroyed().size(), static_cast<size_t>(kVersions));
}

}  // namespace
}  // namespace baton::lifecycle
