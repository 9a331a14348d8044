#include "lifecycle/config_applier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "testing/fake_factory.h"
#include "testing/fake_store.h"

namespace baton::lifecycle {
namespace {

using baton::testing::FakeFactory;
using baton::testing::FakeStore;
using Reason = ConfigApplier::Reason;

ModelConfig Model(const std::string& name, VersionPolicy policy = LatestVersions{}) {
  ModelConfig config;
  config.name = name;
  config.base_path = "/" + name;
  config.platform = "tensorflow";
  config.policy = std::move(policy);
  return config;
}

class ConfigApplierTest : public ::testing::Test {
 protected:
  ConfigApplierTest() {
    monitor_.AddListener([this](const ServableId&, const VersionStatus&) {
      base::MutexLock lock(mutex_);
      changed_.NotifyAll();
    });
    for (const char* name : {"/a", "/b", "/bad"}) store_.Put(name, {"1"});
    store_.Put("/none", {});
    factory_.FailNext({"bad", 1}, absl::OutOfRangeError("Read less bytes than requested"));
  }

  absl::Status Apply(ModelConfigs configs, Reason reason = Reason::kReload) {
    return applier_->ApplyAndWait(std::move(configs), reason);
  }
  std::future<absl::Status> Begin(ModelConfigs configs) {
    auto promise = std::make_shared<std::promise<absl::Status>>();
    applier_->Apply(std::move(configs), Reason::kReload,
                    [promise](absl::Status status) { promise->set_value(std::move(status)); });
    return promise->get_future();
  }
  void WaitFor(const std::string& name, int64_t version, VersionState state) {
    base::MutexLock lock(mutex_);
    while (true) {
      const auto status = monitor_.Get(name, version);
      if (status.ok() && status->front().state == state) return;
      changed_.Wait(mutex_);
    }
  }
  bool IsServed(const std::string& name) {
    return registry_.Resolve({name, std::nullopt, std::nullopt, {}}).ok();
  }
  bool HasLabel(const std::string& name, const std::string& label) {
    return registry_.Resolve({name, std::nullopt, label, {}}).ok();
  }
  void UseRelaxedLabels() {
    applier_ = nullptr;
    applier_ = std::make_unique<ConfigApplier>(
        ConfigApplier::Options{.allow_labels_for_unavailable = true}, &source_, &manager_,
        &monitor_);
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
  StoreSource source_{{.poll_interval = absl::Hours(1)}, &store_, &manager_};
  std::unique_ptr<ConfigApplier> applier_ =
      std::make_unique<ConfigApplier>(ConfigApplier::Options{}, &source_, &manager_, &monitor_);
};

TEST_F(ConfigApplierTest, AnswersWhenEveryNewModelServes) {
  EXPECT_TRUE(Apply({Model("a"), Model("b")}, Reason::kStartup).ok());
  EXPECT_TRUE(IsServed("a"));
  EXPECT_TRUE(IsServed("b"));
}

TEST_F(ConfigApplierTest, NewListReplacesTheOldOneAndDroppedModelsCanComeBack) {
  EXPECT_TRUE(Apply({Model("a"), Model("b")}).ok());
  EXPECT_TRUE(Apply({Model("a")}).ok());
  WaitFor("b", 1, VersionState::kEnd);
  EXPECT_TRUE(Apply({Model("a"), Model("b")}).ok()) << "END of its first life is not a failure";
  EXPECT_TRUE(IsServed("b"));
  EXPECT_TRUE(Apply({}).ok()) << "an empty list is legal";
  WaitFor("a", 1, VersionState::kEnd);
  WaitFor("b", 1, VersionState::kEnd);
}

TEST_F(ConfigApplierTest, NewVersionOfAnOldModelIsNotAwaited) {
  EXPECT_TRUE(Apply({Model("a")}).ok());
  EXPECT_TRUE(Apply({Model("a", SpecificVersions{{2}})}).ok());
  store_.Put("/a", {"1", "2"});
  WaitFor("a", 2, VersionState::kAvailable);
}

TEST_F(ConfigApplierTest, FailedLoadIsReportedInTheKnownTexts) {
  EXPECT_EQ(Apply({Model("bad")}, Reason::kStartup),
            absl::UnknownError("1 servable(s) did not become available: {{{name: bad version: 1} "
                               "due to error: OUT_OF_RANGE: Read less bytes than requested}, }"));
  EXPECT_TRUE(Apply({}).ok());
  WaitFor("bad", 1, VersionState::kEnd);
  EXPECT_EQ(Apply({Model("bad"), Model("a")}),
            absl::UnknownError("1 model(s) did not become available: {{{name: bad version: 1} due "
                               "to error: OUT_OF_RANGE: Read less bytes than requested}, }"));
  EXPECT_TRUE(IsServed("a")) << "the others are served";
}

TEST_F(ConfigApplierTest, SameReloadAgainReportsTheSameFailure) {
  const absl::Status first = Apply({Model("bad"), Model("a")});
  EXPECT_EQ(Apply({Model("bad"), Model("a")}), first);
  EXPECT_TRUE(Apply({Model("bad"), Model("a"), Model("b")}).ok()) << "only news are awaited";
}

TEST_F(ConfigApplierTest, RefusedConfigurationChangesNothing) {
  ASSERT_TRUE(Apply({Model("a")}).ok());
  ModelConfig relative = Model("b");
  relative.base_path = "rel";
  ModelConfig other_platform = Model("a");
  other_platform.platform = "other";
  ModelConfig no_platform = Model("b");
  no_platform.platform = "";
  ModelConfig unknown_platform = Model("b");
  unknown_platform.platform = "zz";
  ModelConfig labelled = Model("a");
  labelled.labels = {{"stable", 7}};
  struct Row {
    ModelConfigs configs;
    absl::Status error;
  };
  const Row kRows[] = {
      {{Model("b"), Model("b")},
       absl::InvalidArgumentError("Illegal to list model b multiple times in config list")},
      {{relative},
       absl::InvalidArgumentError(
           "Expected model b to have an absolute path or URI; got base_path()=rel")},
      {{other_platform},
       absl::InvalidArgumentError(
           "Illegal to change a model's platform. For model a platform was tensorflow and new "
           "platform requested is other")},
      {{no_platform},
       absl::InvalidArgumentError("Illegal setting neither ModelServerConfig::model_type "
                                  "(deprecated) nor ModelServerConfig::model_platform, model name "
                                  "is b")},
      {{unknown_platform}, absl::InvalidArgumentError("Model b requests unsupported platform zz")},
      {{labelled},
       absl::FailedPreconditionError("Request to assign label to version 7 of model a, which is "
                                     "not currently available for inference")},
      {{labelled, unknown_platform},
       absl::FailedPreconditionError("Request to assign label to version 7 of model a, which is "
                                     "not currently available for inference")},
  };
  for (const Row& row : kRows) {
    EXPECT_EQ(Apply(row.configs), row.error);
    EXPECT_TRUE(IsServed("a"));
    EXPECT_FALSE(IsServed("b"));
  }
  // None of them poisons what comes after.
  EXPECT_TRUE(Apply({Model("a"), Model("b")}).ok());
}

TEST_F(ConfigApplierTest, LabelsAreNotSetWhenPlatformsAreWrong) {
  ASSERT_TRUE(Apply({Model("a")}).ok());
  ModelConfig labelled = Model("a");
  labelled.labels = {{"stable", 1}};
  ModelConfig unknown_platform = Model("b");
  unknown_platform.platform = "zz";
  EXPECT_FALSE(Apply({labelled, unknown_platform}).ok());
  EXPECT_FALSE(HasLabel("a", "stable"));
  EXPECT_TRUE(Apply({labelled}).ok());
  EXPECT_TRUE(HasLabel("a", "stable"));
}

TEST_F(ConfigApplierTest, LabelsInTheFirstConfigurationNeedTheFlag) {
  ModelConfig labelled = Model("a");
  labelled.labels = {{"stable", 1}};
  EXPECT_EQ(Apply({labelled}, Reason::kStartup).code(), absl::StatusCode::kFailedPrecondition);
  UseRelaxedLabels();
  EXPECT_TRUE(Apply({labelled}, Reason::kStartup).ok());
  EXPECT_TRUE(HasLabel("a", "stable"));
}

TEST_F(ConfigApplierTest, ModelWithoutVersionsIsAwaitedUntilItHasOne) {
  std::future<absl::Status> waiting = Begin({Model("none")});
  EXPECT_TRUE(Apply({Model("none"), Model("a")}).ok()) << "nobody else is held up";
  EXPECT_EQ(waiting.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  store_.Put("/none", {"3"});
  EXPECT_TRUE(waiting.get().ok());
}

TEST_F(ConfigApplierTest, LaterConfigurationWithoutTheModelEndsTheWait) {
  std::future<absl::Status> waiting = Begin({Model("none"), Model("a")});
  EXPECT_TRUE(Apply({Model("a")}).ok());
  EXPECT_EQ(waiting.get().code(), absl::StatusCode::kCancelled);
}

TEST_F(ConfigApplierTest, EndOfTheServerEndsTheWait) {
  std::future<absl::Status> waiting = Begin({Model("none")});
  applier_ = nullptr;
  EXPECT_EQ(waiting.get().code(), absl::StatusCode::kCancelled);
}

TEST_F(ConfigApplierTest, RequestLoggingIsRefusedAfterTheModelsServe) {
  ModelConfig logged = Model("a");
  logged.logging.emplace();
  EXPECT_EQ(Apply({logged}), absl::InvalidArgumentError("No request-logger-creator provided."));
  EXPECT_TRUE(IsServed("a"));
}

class LoggingApplierTest : public ConfigApplierTest {
 protected:
  LoggingApplierTest() {
    applier_ = nullptr;
    applier_ = std::make_unique<ConfigApplier>(ConfigApplier::Options{.loggers = &loggers_},
                                               &source_, &manager_, &monitor_);
  }
  static ModelConfig Logged(const std::string& name, const std::string& type = "tfrecord") {
    ModelConfig config = Model(name);
    config.logging = {.collector_type = type,
                      .filename_prefix = ::testing::TempDir() + "/config_applier_log",
                      .sampling_rate = 1};
    return config;
  }
  bool IsLogged(const std::string& name) { return loggers_.Sample(name) != nullptr; }

  reqlog::RequestLoggers loggers_{{}, nullptr, nullptr};
};

TEST_F(LoggingApplierTest, LoggersFollowTheConfiguration) {
  EXPECT_EQ(Apply({Logged("a"), Model("b")}), absl::OkStatus());
  EXPECT_TRUE(IsLogged("a"));
  EXPECT_FALSE(IsLogged("b"));
  EXPECT_EQ(Apply({Model("a"), Logged("b")}), absl::OkStatus());
  EXPECT_FALSE(IsLogged("a"));
  EXPECT_TRUE(IsLogged("b"));
  EXPECT_EQ(Apply({}), absl::OkStatus());
  EXPECT_FALSE(IsLogged("b"));
}

TEST_F(LoggingApplierTest, LoggersWaitForTheModels) {
  std::future<absl::Status> waiting = Begin({Logged("none")});
  EXPECT_FALSE(IsLogged("none"));
  store_.Put("/none", {"1"});
  EXPECT_TRUE(waiting.get().ok());
  EXPECT_TRUE(IsLogged("none"));
}

TEST_F(LoggingApplierTest, AnUnknownCollectorFailsAfterTheModelsServeAndChangesNoLogger) {
  ASSERT_TRUE(Apply({Logged("a")}).ok());
  const absl::Status error =
      absl::NotFoundError("Cannot find LogCollector::Factory for type: kafka");
  EXPECT_EQ(Apply({Model("a"), Logged("b", "kafka")}), error);
  EXPECT_TRUE(IsServed("b"));
  EXPECT_TRUE(IsLogged("a"));
  EXPECT_FALSE(IsLogged("b"));
  EXPECT_EQ(Apply({Model("a"), Logged("b", "kafka")}), error) << "and once more";
}

TEST_F(LoggingApplierTest, AModelThatCannotBeServedStopsNoLogger) {
  EXPECT_EQ(Apply({Logged("a"), Model("bad")}).code(), absl::StatusCode::kUnknown);
  EXPECT_TRUE(IsLogged("a"));
}

TEST_F(LoggingApplierTest, AModelThatCannotBeServedIsNamedBeforeALoggerThatCannotBe) {
  EXPECT_EQ(Apply({Logged("a", "kafka"), Model("bad")}).code(), absl::StatusCode::kUnknown);
}

TEST_F(ConfigApplierTest, BasePathChangesWithoutReloadingTheSameNumber) {
  ASSERT_TRUE(Apply({Model("a")}).ok());
  ModelConfig moved = Model("a");
  moved.base_path = "/b";
  EXPECT_TRUE(Apply({moved}).ok());
  store_.Put("/b", {"1", "2"});
  WaitFor("a", 2, VersionState::kAvailable);
  EXPECT_EQ(factory_.paths().back(), "/b/2");
}

}  // namespace
}  // namespace baton::lifecycle
