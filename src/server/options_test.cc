#include <csignal>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/flags.h"
#include "server/options.h"
#include "server/stop_signal.h"

namespace baton::server {
namespace {

struct Targets {
  int32_t i = 1;
  int64_t l = 2;
  bool b = false;
  float f = 0.5f;
  std::string s = "x";
  FlagSet flags;
  Targets() {
    flags.Add("int", &i, "an int");
    flags.Add("long", &l, "a long");
    flags.Add("bool", &b, "a bool");
    flags.Add("float", &f, "a float");
    flags.Add("string", &s, "a string");
  }
};

TEST(FlagSetTest, ReadsEveryTypeAndTheLastOneWins) {
  Targets t;
  auto result = t.flags.Parse({"--int=5", "--int=-6", "--long=9223372036854775807", "--bool",
                               "--float=1.5", "--string=a=b"});
  EXPECT_TRUE(result.ok);
  EXPECT_TRUE(result.unknown.empty());
  EXPECT_EQ(t.i, -6);
  EXPECT_EQ(t.l, INT64_MAX);
  EXPECT_TRUE(t.b);
  EXPECT_EQ(t.f, 1.5f);
  EXPECT_EQ(t.s, "a=b");
}

TEST(FlagSetTest, BoolTakesFourWordsInAnyCase) {
  for (const auto& [text, value] : {std::pair{"--bool=TRUE", true},
                                    {"--bool=False", false},
                                    {"--bool=1", true},
                                    {"--bool=0", false}}) {
    Targets t;
    t.b = !value;
    EXPECT_TRUE(t.flags.Parse({text}).ok);
    EXPECT_EQ(t.b, value) << text;
  }
}

TEST(FlagSetTest, BadValuesAreNamedAsTensorFlowNamesThem) {
  Targets t;
  EXPECT_THAT(t.flags.Parse({"--int=5x"}).errors,
              testing::ElementsAre("Couldn't interpret value 5x for flag int."));
  EXPECT_THAT(t.flags.Parse({"--bool=maybe"}).errors,
              testing::ElementsAre("Couldn't interpret value =maybe for flag bool."));
  EXPECT_FALSE(t.flags.Parse({"--int=99999999999"}).ok);
  EXPECT_FALSE(t.flags.Parse({"--float="}).ok);
}

TEST(FlagSetTest, UnknownFormsAreKeptInOrder) {
  Targets t;
  auto result = t.flags.Parse({"--integer=1", "-int=1", "--int", "7", "--", "--int=8"});
  EXPECT_TRUE(result.ok);
  EXPECT_THAT(result.unknown,
              testing::ElementsAre("--integer=1", "-int=1", "--int", "7", "--", "--int=8"));
  EXPECT_EQ(t.i, 1);
}

TEST(FlagSetTest, UsageHasTensorFlowsLayout) {
  Targets t;
  EXPECT_THAT(t.flags.Usage("prog"),
              testing::StartsWith(
                  "usage: prog\nFlags:\n\t--int=1                          \tint32\tan int\n"));
  EXPECT_THAT(t.flags.Usage("prog"),
              testing::HasSubstr("\t--string=\"x\"                     \tstring\ta string\n"));
  EXPECT_THAT(t.flags.Usage("prog"), testing::HasSubstr("--float=0.500000"));
}

TEST(OptionsTest, ChecksComeInTheContractsOrder) {
  Options options;
  options.port = 0;
  EXPECT_THAT(std::string(options.Validate().message()),
              testing::StartsWith("At least one of server_options.grpc_port"));
  options.port = 8500;
  EXPECT_THAT(std::string(options.Validate().message()),
              testing::StartsWith("Both server_options.model_base_path"));
  options.model_base_path = "/m";
  EXPECT_TRUE(options.Validate().ok());
  options.event_loops = -1;
  EXPECT_EQ(std::string(options.Validate().message()),
            "--event_loops=-1 must be between 0 and 1024");
}

TEST(StopSignalTest, TellsSignalNotificationAndTimeoutApart) {
  StopSignal stop;
  EXPECT_EQ(stop.Wait(absl::Milliseconds(1)), StopSignal::Event::kTimeout);
  stop.Notify();
  EXPECT_EQ(stop.Wait(), StopSignal::Event::kNotified);
  kill(getpid(), SIGTERM);
  EXPECT_EQ(stop.Wait(), StopSignal::Event::kSignal);
  EXPECT_EQ(stop.sender(), "SIGTERM from process " + std::to_string(getpid()));
}

}  // namespace
}  // namespace baton::server
