#include "reqlog/request_loggers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "storage/tfrecord.h"

namespace baton::reqlog {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(LoggingConfigTest, TheFirstEntryThatMatchesTheTaskGivesTheRate) {
  LoggingConfig config;
  config.sampling_rate = 0.5;
  config.per_task = {{.dc = "oslo", .task_index = 3, .sampling_rate = 0.1},
                     {.dc = "oslo", .task_index = {}, .sampling_rate = 0.2},
                     {.dc = "", .task_index = 7, .sampling_rate = 0.3},
                     {.dc = "bonn", .task_index = 0, .sampling_rate = 0.4}};
  const struct {
    Task task;
    double rate;
  } rows[] = {{{"oslo", 3}, 0.1}, {{"oslo", 4}, 0.2}, {{"oslo", {}}, 0.2}, {{"oslo", 7}, 0.2},
              {{"bonn", 7}, 0.3}, {{"", 7}, 0.3},     {{"bonn", 0}, 0.4},  {{"bonn", {}}, 0.5},
              {{"", 3}, 0.5},     {{"", 0}, 0.5},     {{"", {}}, 0.5}};
  for (const auto& row : rows) {
    EXPECT_EQ(SamplingRateOf(config, row.task), row.rate)
        << row.task.dc << " " << row.task.index.value_or(-1);
  }
  config.per_task.push_back({.dc = "", .task_index = {}, .sampling_rate = 0.6});
  EXPECT_EQ(SamplingRateOf(config, {}), 0.6) << "an entry that asks for nothing matches all";
}

TEST(LoggingConfigTest, SamplesAtTheRate) {
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  EXPECT_FALSE(IsSampled(0, 0));
  EXPECT_TRUE(IsSampled(1, kMax));
  EXPECT_TRUE(IsSampled(1e-9, 0));
  EXPECT_TRUE(IsSampled(0.25, kMax / 4 - 5000));
  EXPECT_FALSE(IsSampled(0.25, kMax / 4 + 5000));
}

TEST(LoggingConfigTest, ChecksWhatItCanCheck) {
  const LoggingConfig good = {
      .collector_type = "tfrecord", .filename_prefix = "/logs/a", .sampling_rate = 1};
  EXPECT_EQ(CheckLoggingConfig("m", good), absl::OkStatus());
  const auto error = [&](auto change) {
    LoggingConfig config = good;
    change(config);
    return CheckLoggingConfig("m", config).ToString();
  };
  const std::string prefix = "INVALID_ARGUMENT: logging_config of model m: ";
  EXPECT_EQ(error([](LoggingConfig& c) { c.collector_type = "kafka"; }),
            "NOT_FOUND: Cannot find LogCollector::Factory for type: kafka");
  EXPECT_EQ(error([](LoggingConfig& c) { c.collector_type = ""; }),
            "NOT_FOUND: Cannot find LogCollector::Factory for type: ");
  EXPECT_EQ(error([](LoggingConfig& c) { c.filename_prefix = ""; }),
            prefix + "filename_prefix is empty");
  EXPECT_EQ(error([](LoggingConfig& c) { c.filename_prefix = std::string("/a\0b", 4); }),
            prefix + "filename_prefix has a zero byte");
  EXPECT_EQ(error([](LoggingConfig& c) { c.filename_prefix = "/a/" + std::string(201, 'x'); }),
            prefix + "the file name in filename_prefix is longer than 200 bytes");
  EXPECT_EQ(error([](LoggingConfig& c) { c.filename_prefix = "/a/" + std::string(200, 'x'); }),
            "OK");
  EXPECT_EQ(error([](LoggingConfig& c) { c.sampling_rate = 1.5; }),
            prefix + "sampling_rate 1.5 is not in [0, 1]");
  EXPECT_EQ(error([](LoggingConfig& c) { c.sampling_rate = -0.1; }),
            prefix + "sampling_rate -0.1 is not in [0, 1]");
  EXPECT_EQ(error([](LoggingConfig& c) { c.sampling_rate = std::nan(""); }),
            prefix + "sampling_rate nan is not in [0, 1]");
  EXPECT_EQ(error([](LoggingConfig& c) { c.per_task = {{.sampling_rate = 2}}; }),
            prefix + "sampling_rate 2 is not in [0, 1]");
}

class RequestLoggersTest : public ::testing::Test {
 protected:
  RequestLoggersTest() {
    std::string name = ::testing::TempDir() + "request-loggers-XXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~RequestLoggersTest() override {
    loggers_ = nullptr;
    fs::remove_all(folder_);
  }

  void Start(RequestLoggers::Options options = {}) {
    loggers_ = nullptr;
    metrics_ = std::make_unique<metrics::Registry>();
    loggers_ = std::make_unique<RequestLoggers>(options, metrics_.get(), &serving_);
  }
  LoggingConfig Config(const std::string& name, double rate = 1) const {
    return {.collector_type = "tfrecord",
            .filename_prefix = folder_ + "/" + name,
            .sampling_rate = rate};
  }
  absl::Status Apply(const RequestLoggers::Configs& configs) {
    absl::StatusOr<RequestLoggers::Update> update = loggers_->Prepare(configs);
    if (update.ok()) loggers_->Commit(*update);
    return update.status();
  }
  // False when the model has no logger.
  bool Log(const std::string& model, const std::string& record) {
    const auto logger = loggers_->Sample(model);
    if (logger == nullptr) return false;
    logger->Log({base::Buffer::FromString(record)});
    return true;
  }
  // The records of all files whose names begin with `name`, finished ones first to last.
  std::vector<std::string> Records(const std::string& name) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      if (entry.path().filename().string().starts_with(name)) names.push_back(entry.path());
    }
    std::sort(names.begin(), names.end());
    std::vector<std::string> records;
    for (const std::string& path : names) {
      auto reader = storage::TfRecordReader::Open(path);
      while (true) {
        const auto record = reader->Next();
        EXPECT_TRUE(record.ok()) << path << ": " << record.status();
        if (!record.ok() || !record->has_value()) break;
        records.emplace_back((*record)->view());
      }
    }
    return records;
  }
  size_t CountFiles(std::string_view suffix) const {
    size_t count = 0;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      count += entry.path().filename().string().ends_with(suffix) ? 1 : 0;
    }
    return count;
  }
  int64_t Counted(const std::string& outcome) {
    return metrics_
        ->GetCounter("baton_request_log_records_total",
                     "Records of the request log, by what became of them.", {{"outcome", outcome}})
        .Value();
  }

  metrics::ServingMetrics serving_;
  std::unique_ptr<metrics::Registry> metrics_;
  std::unique_ptr<RequestLoggers> loggers_;
  std::string folder_;
};

TEST_F(RequestLoggersTest, LogsTheModelsThatAreConfigured) {
  Start();
  EXPECT_FALSE(Log("a", "before"));
  ASSERT_EQ(Apply({{"a", Config("a")}, {"b", Config("b")}}), absl::OkStatus());
  EXPECT_TRUE(Log("a", "one"));
  EXPECT_TRUE(Log("b", "two"));
  EXPECT_TRUE(Log("a", "three"));
  EXPECT_FALSE(Log("c", "none"));
  loggers_->Flush();
  EXPECT_THAT(Records("a-"), ElementsAre("one", "three"));
  EXPECT_THAT(Records("b-"), ElementsAre("two"));
  EXPECT_EQ(Counted("written"), 3);
  EXPECT_EQ(
      metrics_
          ->GetCounter("baton_request_log_bytes_total", "Bytes of written request log records.", {})
          .Value(),
      11);
  EXPECT_THAT(serving_.Text(""),
              HasSubstr("request_log_count{model_name=\"a\",status_code=\"OK\"} 2"));
}

TEST_F(RequestLoggersTest, ARateOfZeroLogsNothing) {
  Start();
  ASSERT_EQ(Apply({{"a", Config("a", 0)}}), absl::OkStatus());
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(Log("a", "x"));
}

TEST_F(RequestLoggersTest, ARateBetweenLogsAbout) {
  Start();
  ASSERT_EQ(Apply({{"a", Config("a", 0.25)}}), absl::OkStatus());
  int logged = 0;
  for (int i = 0; i < 10000; ++i) logged += loggers_->Sample("a") != nullptr ? 1 : 0;
  EXPECT_NEAR(logged, 2500, 500);  // eleven standard deviations
}

TEST_F(RequestLoggersTest, TakesTheTaskIntoAccount) {
  LoggingConfig config = Config("a", 0);
  config.per_task = {{.dc = "oslo", .task_index = 3, .sampling_rate = 1}};
  Start({.task = {.dc = "oslo", .index = 3}});
  ASSERT_EQ(Apply({{"a", config}}), absl::OkStatus());
  EXPECT_TRUE(Log("a", "x"));
  Start();
  ASSERT_EQ(Apply({{"a", config}}), absl::OkStatus());
  EXPECT_FALSE(Log("a", "x"));
}

TEST_F(RequestLoggersTest, AReloadKeepsWhatDidNotChangeAndEndsTheRest) {
  Start();
  ASSERT_EQ(Apply({{"a", Config("a")}, {"b", Config("b")}, {"c", Config("c")}}), absl::OkStatus());
  for (const char* model : {"a", "b", "c"}) EXPECT_TRUE(Log(model, "first"));
  loggers_->Flush();
  // b writes under a's prefix from now on, c is gone.
  ASSERT_EQ(Apply({{"a", Config("a")}, {"b", Config("a", 1)}}), absl::OkStatus());
  EXPECT_TRUE(Log("a", "second"));
  EXPECT_TRUE(Log("b", "third"));
  EXPECT_FALSE(Log("c", "none"));
  loggers_->Flush();
  EXPECT_THAT(Records("a-"), ElementsAre("first", "second", "third"));
  EXPECT_EQ(CountFiles(".tmp") + CountFiles(".tfrecord"), 3u) << "a's file stayed open";
  loggers_ = nullptr;
  EXPECT_EQ(CountFiles(".tfrecord"), 3u) << "all are complete";
}

TEST_F(RequestLoggersTest, CompletesTheFilesOfModelsThatAreNotLoggedAnyMore) {
  Start();
  ASSERT_EQ(Apply({{"a", Config("a")}}), absl::OkStatus());
  ASSERT_TRUE(Log("a", "x"));
  loggers_->Flush();
  EXPECT_EQ(CountFiles(".tmp"), 1u);
  ASSERT_EQ(Apply({{"b", Config("b")}}), absl::OkStatus());
  // The thread that closed a's file before it wrote this one is the only one.
  ASSERT_TRUE(Log("b", "x"));
  loggers_->Flush();
  ASSERT_TRUE(Log("b", "x"));
  loggers_->Flush();
  EXPECT_EQ(CountFiles(".tfrecord"), 1u);
}

TEST_F(RequestLoggersTest, ARequestUnderWayLogsWhereItsModelWasLogged) {
  Start();
  ASSERT_EQ(Apply({{"a", Config("a")}}), absl::OkStatus());
  auto logger = loggers_->Sample("a");
  ASSERT_EQ(Apply({}), absl::OkStatus());
  logger->Log({base::Buffer::FromString("late")});
  loggers_->Flush();
  EXPECT_THAT(Records("a-"), ElementsAre("late"));
  loggers_ = nullptr;
  EXPECT_EQ(CountFiles(".tfrecord"), 1u);
  logger->Log({base::Buffer::FromString("too late")});
  EXPECT_THAT(Records("a-"), ElementsAre("late"));
}

TEST_F(RequestLoggersTest, AConfigurationThatFailsChangesNothing) {
  Start();
  ASSERT_EQ(Apply({{"a", Config("a")}}), absl::OkStatus());
  LoggingConfig unknown = Config("b");
  unknown.collector_type = "kafka";
  EXPECT_EQ(Apply({{"b", unknown}}),
            absl::NotFoundError("Cannot find LogCollector::Factory for type: kafka"));
  std::ofstream(folder_ + "/file") << "x";
  EXPECT_EQ(Apply({{"b", Config("file/log")}}),
            absl::FailedPreconditionError(base::StrCat(
                "logging_config of model b: no directory for the request log: ", folder_,
                "/file; Not a directory")));
  EXPECT_TRUE(Log("a", "still"));
  EXPECT_FALSE(Log("b", "not"));
}

TEST_F(RequestLoggersTest, AnOlderPreparationDoesNotReplaceANewerOne) {
  Start();
  auto older = loggers_->Prepare({{"a", Config("a")}});
  auto newer = loggers_->Prepare({{"b", Config("b")}});
  ASSERT_TRUE(older.ok() && newer.ok());
  loggers_->Commit(*newer);
  loggers_->Commit(*older);
  EXPECT_FALSE(Log("a", "x"));
  EXPECT_TRUE(Log("b", "x"));
}

TEST_F(RequestLoggersTest, DropsWhatTheQueueHasNoRoomFor) {
  Start({.queue = {.max_queued_bytes = 100}});
  ASSERT_EQ(Apply({{"a", Config("a")}}), absl::OkStatus());
  EXPECT_TRUE(Log("a", std::string(101, 'x')));
  EXPECT_TRUE(Log("a", std::string(100, 'y')));
  loggers_->Flush();
  EXPECT_THAT(Records("a-"), ElementsAre(std::string(100, 'y')));
  EXPECT_EQ(Counted("dropped"), 1);
  EXPECT_EQ(Counted("written"), 1);
  EXPECT_THAT(
      serving_.Text(""),
      HasSubstr("request_log_count{model_name=\"a\",status_code=\"RESOURCE_EXHAUSTED\"} 1"));
  Start({.queue = {.max_queued_records = 0}});
  ASSERT_EQ(Apply({{"a", Config("a")}}), absl::OkStatus());
  EXPECT_TRUE(Log("a", "x"));
  EXPECT_EQ(Counted("dropped"), 1);
}

TEST_F(RequestLoggersTest, CountsWhatCannotBeWrittenAndGoesOn) {
  Start();
  ASSERT_EQ(Apply({{"a", Config("deep/a")}}), absl::OkStatus());
  fs::remove_all(folder_ + "/deep");
  EXPECT_TRUE(Log("a", "lost"));
  loggers_->Flush();
  EXPECT_EQ(Counted("failed"), 1);
  EXPECT_THAT(serving_.Text(""),
              HasSubstr("request_log_count{model_name=\"a\",status_code=\"NOT_FOUND\"} 1"));
  fs::create_directories(folder_ + "/deep");
  EXPECT_TRUE(Log("a", "kept"));
  loggers_->Flush();
  EXPECT_EQ(Counted("written"), 1);
}

TEST_F(RequestLoggersTest, ManyThreadsLogWhileTheConfigurationChanges) {
  Start({.file = {.max_bytes = 2000, .max_files = 0}});
  ASSERT_EQ(Apply({{"a", Config("a")}}), absl::OkStatus());
  constexpr int kThreads = 4;
  constexpr int kRecords = 500;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kRecords; ++i) EXPECT_TRUE(Log("a", "x"));
    });
  }
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(Apply({{"a", Config(i % 2 == 0 ? "a" : "b")}, {"c", Config("c")}}), absl::OkStatus());
  }
  for (std::thread& thread : threads) thread.join();
  loggers_ = nullptr;
  EXPECT_EQ(Records("a-").size() + Records("b-").size(), size_t{kThreads} * kRecords);
  EXPECT_EQ(CountFiles(".tmp"), 0u);
}

}  // namespace
}  // namespace baton::reqlog
