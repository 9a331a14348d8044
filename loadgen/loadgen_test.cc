#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "base/strings.h"
#include "loadgen/command_line.h"
#include "loadgen/connection.h"
#include "loadgen/histogram.h"
#include "loadgen/load.h"
#include "loadgen/predict_body.h"
#include "net/server.h"

namespace baton::loadgen {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(HistogramTest, IsExactBelowAndWithinOnePercentAbove) {
  for (const uint64_t nanos : std::vector<uint64_t>{
           0, 1, 255, 256, 257, 1000, 123'456, 5'000'000'000, uint64_t{1} << 40, UINT64_MAX >> 1}) {
    Histogram histogram;
    histogram.Record(nanos);
    histogram.Record(UINT64_MAX);
    const auto at = static_cast<double>(histogram.Quantile(0.5));
    EXPECT_GE(at, static_cast<double>(nanos));
    EXPECT_LE(at, static_cast<double>(nanos) * 1.008 + (nanos < 256 ? 0 : 1)) << nanos;
  }
}

TEST(HistogramTest, MergesAndKnowsItsQuantiles) {
  Histogram all;
  EXPECT_EQ(all.Quantile(0.5), 0u);
  for (uint64_t thread = 0; thread < 2; ++thread) {
    Histogram part;
    for (uint64_t i = 1 + thread; i <= 200; i += 2) {
      part.Record(i);
    }
    all.Add(part);
  }
  EXPECT_EQ(all.count(), 200u);
  EXPECT_EQ(all.Quantile(0.5), 100u);
  EXPECT_EQ(all.Quantile(0.99), 198u);
  EXPECT_EQ(all.Quantile(1), 200u);
  EXPECT_EQ(all.max(), 200u);
  EXPECT_DOUBLE_EQ(all.Mean(), 100.5);
}

TEST(PredictBodyTest, WritesTheMessageByteByByte) {
  PredictCall call;
  call.model = "m";
  call.input = "x";
  call.shape = {2};
  call.values = {1.0f, 2.0f};
  const std::string bytes = PredictRequestBytes(call);
  const std::string expected(
      "\x0a\x03\x0a\x01m"
      "\x12\x17\x0a\x01x\x12\x12\x08\x01\x12\x04\x12\x02\x08\x02\x2a\x08\0\0\x80\x3f\0\0\0\x40",
      5 + 25);
  EXPECT_EQ(bytes, expected);
  call.version = 300;
  call.signature = "s";
  EXPECT_TRUE(PredictRequestBytes(call).starts_with(
      std::string("\x0a\x0b\x0a\x01m\x12\x03\x08\xac\x02\x1a\x01s", 13)));
}

TEST(PredictBodyTest, WritesRowsAsJson) {
  PredictCall call;
  call.model = "m";
  call.shape = {2, 2};
  call.values = {1.0f, 2.5f, 3.0f};
  EXPECT_EQ(PredictJson(call), R"({"instances": [[1, 2.5], [3, 1]]})");
  call.input = "x";
  call.signature = "s";
  EXPECT_EQ(PredictJson(call),
            R"({"signature_name": "s", "instances": [{"x": [1, 2.5]}, {"x": [3, 1]}]})");
  EXPECT_EQ(PredictUrl(call), "/v1/models/m:predict");
  call.version = 7;
  EXPECT_EQ(PredictUrl(call), "/v1/models/m/versions/7:predict");
}

TEST(CommandLineTest, PutsTheLoadTogether) {
  const auto line = ParseCommandLine({"--protocol=rest", "--model", "m", "--value=1.0,2.0,5.0",
                                      "--connections", "64", "--duration=2.5", "--json"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->load.port, 8501);
  EXPECT_EQ(line->load.connections, 64);
  EXPECT_EQ(line->load.duration, absl::Seconds(2.5));
  EXPECT_EQ(line->load.path, "/v1/models/m:predict");
  EXPECT_EQ(line->load.body, R"({"instances": [1, 2, 5]})");
  EXPECT_TRUE(line->json);
}

TEST(CommandLineTest, SaysWhatIsWrong) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{}, "--model NAME"},
      {{"--model=m"}, "--input NAME"},
      {{"--model=m", "--input=x", "--port=0"}, "--port"},
      {{"--model=m", "--input=x", "--threads=many"}, "\"many\""},
      {{"--model=m", "--input=x", "--value=1,,2"}, "list of numbers"},
      {{"--model=m", "--input=x", "--shape=1000000,1000000"}, "100 million"},
      {{"--protocol=http"}, "grpc or rest"},
      {{"--colour=blue"}, "unknown flag --colour"},
      {{"--model"}, "needs a value"},
      {{"model"}, "not a flag"},
      {{"--body=/does/not/exist"}, "cannot read"},
  };
  for (const auto& [arguments, words] : cases) {
    const auto line = ParseCommandLine(arguments);
    ASSERT_FALSE(line.ok()) << words;
    EXPECT_THAT(std::string(base::Message(line.status())), HasSubstr(words));
  }
}

class RestConnectionTest : public ::testing::Test {
 protected:
  // What the connection makes of an answer that comes in pieces of `step`.
  bool Answer(std::string_view bytes, size_t step = SIZE_MAX) {
    connection_->CollectOutput(out_);
    bool alive = true;
    for (size_t at = 0; alive && at < bytes.size(); at += std::min(step, bytes.size() - at)) {
      alive = connection_->OnBytes(bytes.substr(at, step), ++now_);
    }
    return alive;
  }
  LoadOptions options_{.protocol = Protocol::kRest, .path = "/p", .body = "{}", .expected = "[1]"};
  Tally tally_;
  std::unique_ptr<Connection> connection_ = MakeRestConnection(options_, &tally_);
  net::OutputQueue out_;
  uint64_t now_ = 0;
};

TEST_F(RestConnectionTest, AsksAgainAfterEveryAnswer) {
  connection_->Start(0);
  const std::string good = "HTTP/1.1 200 OK\r\nX: y\r\ncontent-length:3\r\n\r\n[1]";
  for (const size_t step : {size_t{1}, size_t{7}, SIZE_MAX}) {
    EXPECT_TRUE(Answer(good, step));
    EXPECT_THAT(out_.TakeAll(), AllOf(HasSubstr("POST /p HTTP/1.1\r\n"), HasSubstr("\r\n\r\n{}")));
  }
  EXPECT_EQ(tally_.latency().count(), 3u);
  EXPECT_EQ(connection_->requests_under_way(), 1);
}

TEST_F(RestConnectionTest, CountsBadAnswersByWhatIsWrong) {
  connection_->Start(0);
  EXPECT_TRUE(Answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[2]"));
  EXPECT_TRUE(Answer("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"));
  EXPECT_FALSE(Answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n[1]"));
  EXPECT_EQ(tally_.latency().count(), 1u);
  EXPECT_THAT(tally_.errors(), ElementsAre(Pair("HTTP status 404: gone", 1),
                                           Pair("the answer's bytes are not as expected", 1)));
}

TEST_F(RestConnectionTest, EndsOnWhatItCannotRead) {
  const std::string endless(70'000, 'x');
  for (const char* bytes : {endless.c_str(), "HTTP/1.1 200 OK\r\n\r\n", "SSH-2.0\r\n\r\n",
                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    connection_ = MakeRestConnection(options_, &tally_);
    connection_->Start(0);
    EXPECT_FALSE(Answer(bytes)) << bytes;
  }
  EXPECT_EQ(tally_.requests(), 4u);
}

// Echoes, or refuses every tenth request.
class Echo final : public net::RequestHandler {
 public:
  void OnRequest(net::ExchangePtr exchange) override {
    net::Response response;
    response.body.push_back(exchange->request().body);
    const bool refuse = refuse_some && ++requests_ % 10 == 0;
    if (exchange->request().protocol == net::Protocol::kHttp2) {
      response.trailers = {{"grpc-status", refuse ? "8" : "0"}, {"grpc-message", "busy"}};
    } else {
      response.status = refuse ? 429 : 200;
    }
    exchange->Respond(std::move(response));
  }
  void OnBodyTooLarge(net::ExchangePtr, uint64_t) override {}

  std::atomic<bool> refuse_some{false};

 private:
  std::atomic<int> requests_{0};
};

class LoadTest : public ::testing::TestWithParam<Protocol> {
 protected:
  void SetUp() override {
    server_ = *net::Server::Create({});
    const bool grpc = GetParam() == Protocol::kGrpc;
    options_.protocol = GetParam();
    options_.port = *server_->Listen(
        {"127.0.0.1", 0, grpc ? net::Protocol::kHttp2 : net::Protocol::kHttp11}, &echo_);
    options_.path = "/p";
    options_.body = std::string(20'000, 'x');
    options_.connections = 3;
    options_.streams = 5;
    options_.threads = 2;
    options_.warmup = absl::Milliseconds(20);
    options_.duration = absl::Milliseconds(100);
    options_.server_pid = getpid();
    server_->Start();
  }

  Echo echo_;
  std::unique_ptr<net::Server> server_;
  LoadOptions options_;
};

TEST_P(LoadTest, CountsGoodAnswers) {
  options_.expected = options_.body;
  const auto report = RunLoad(options_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_GT(report->good, 0u);
  EXPECT_EQ(report->good, report->requests);
  EXPECT_EQ(report->latency.count(), report->good);
  EXPECT_TRUE(report->errors.empty()) << FormatText(options_, *report);
  EXPECT_GT(report->server_cpu_micros.value_or(0), 0);
  EXPECT_GE(report->elapsed, options_.duration);
  EXPECT_THAT(FormatText(options_, *report), AllOf(HasSubstr("p99 "), HasSubstr("server ")));
  EXPECT_THAT(FormatJson(options_, *report),
              AllOf(HasSubstr("\"p99\": "), HasSubstr("\"errors\": {}}")));
}

TEST_P(LoadTest, CountsErrorsByStatus) {
  echo_.refuse_some = true;
  const auto report = RunLoad(options_);
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->errors.size(), 1u);
  EXPECT_THAT(report->errors.begin()->first,
              HasSubstr(GetParam() == Protocol::kGrpc ? "grpc-status 8: busy" : "HTTP status 429"));
  EXPECT_EQ(report->good + report->errors.begin()->second, report->requests);
}

TEST_P(LoadTest, ComparesEveryByte) {
  options_.expected = options_.body;
  options_.expected->back() = 'y';
  const auto report = RunLoad(options_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->good, 0u);
  EXPECT_GT(report->requests, 0u);
}

TEST_P(LoadTest, SaysThatNobodyListens) {
  server_->Stop();
  EXPECT_EQ(RunLoad(options_).status().code(), absl::StatusCode::kUnavailable);
}

TEST_P(LoadTest, GoesOnWhenTheServerDrains) {
  options_.warmup = absl::Milliseconds(100);
  std::thread drain([this] {
    absl::SleepFor(absl::Milliseconds(20));
    server_->StartDrain([] {});
  });
  const auto report = RunLoad(options_);
  drain.join();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->good, 0u);  // nobody left to answer, and no waiting for it
}

INSTANTIATE_TEST_SUITE_P(Both, LoadTest, ::testing::Values(Protocol::kGrpc, Protocol::kRest),
                         [](const auto& info) {
                           return info.param == Protocol::kGrpc ? "Grpc" : "Rest";
                         });

}  // namespace
}  // namespace baton::loadgen
