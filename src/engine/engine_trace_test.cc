#include "engine/engine_trace.h"

#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::engine {
namespace {

// Counts what it is asked; can be traced unless it is told otherwise.
class TracedEngine final : public Engine {
 public:
  explicit TracedEngine(std::string name, bool can_trace = true)
      : name_(std::move(name)), can_trace_(can_trace) {}
  std::string_view name() const override { return name_; }
  std::string_view version() const override { return "0"; }
  ProbeResult Probe(const std::string&, std::string*) override { return ProbeResult::kNo; }
  absl::StatusOr<uint64_t> EstimateMemory(const std::string&) override { return 0; }
  absl::StatusOr<std::unique_ptr<Model>> Load(const std::string&, const EngineOptions&) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<std::string> Query(std::string_view what, const EngineOptions& options) override {
    if (!can_trace_) return Engine::Query(what, options);
    if (what == "profile_start") {
      if (options[0].second == "bad") return absl::InvalidArgumentError("bad options");
      options_ = options[0].second;
      ++started;
      return std::string();
    }
    ++collected;
    return name_ + " traced with " + options_;
  }
  int started = 0;
  int collected = 0;

 private:
  const std::string name_;
  const bool can_trace_;
  std::string options_;
};

class EngineTraceTest : public testing::Test {
 protected:
  EngineTraceTest() : registry_({.directory = "/nothing"}), trace_(&registry_) {}

  void AddEngines() {
    registry_.Add(std::make_unique<TracedEngine>("a", false));
    auto engine = std::make_unique<TracedEngine>("b");
    engine_ = engine.get();
    registry_.Add(std::move(engine));
  }

  EngineRegistry registry_;
  EngineTrace trace_;
  TracedEngine* engine_ = nullptr;
};

constexpr absl::Duration kForEver = absl::Hours(1);

TEST_F(EngineTraceTest, TakesATraceOfTheFirstEngineThatCan) {
  AddEngines();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(trace_.Begin("x").ok());
    const auto trace = trace_.Take({.options = "o", .duration = absl::Milliseconds(1)});
    EXPECT_EQ(*trace, "b traced with o");
  }
  EXPECT_EQ(engine_->collected, 2);
}

TEST_F(EngineTraceTest, RefusesASecondTraceWithTheTextOfTensorFlow) {
  ASSERT_TRUE(trace_.Begin("x").ok());
  EXPECT_EQ(trace_.Begin("x"), absl::InternalError("Another profiling session active."));
}

TEST_F(EngineTraceTest, WithoutAnEngineToTraceItIsUnavailableAndFreeAgain) {
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(trace_.Begin("x").ok());
    EXPECT_EQ(trace_.Take({.duration = kForEver}).status(),
              absl::UnavailableError("no engine in use can be traced"));
  }
}

TEST_F(EngineTraceTest, AnEnginesRefusalIsTheAnswer) {
  AddEngines();
  ASSERT_TRUE(trace_.Begin("x").ok());
  EXPECT_EQ(trace_.Take({.options = "bad", .duration = kForEver}).status(),
            absl::InvalidArgumentError("bad options"));
  EXPECT_EQ(engine_->collected, 0);
}

TEST_F(EngineTraceTest, EndIsForTheTraceItNames) {
  AddEngines();
  trace_.End("x");  // not running: forgotten
  ASSERT_TRUE(trace_.Begin("x").ok());
  trace_.End("y");
  std::jthread ender([this] { trace_.End("x"); });
  EXPECT_EQ(*trace_.Take({.duration = kForEver}), "b traced with ");
}

TEST_F(EngineTraceTest, ATraceThatNobodyWaitsForEndsAndIsThrownAway) {
  AddEngines();
  ASSERT_TRUE(trace_.Begin("x").ok());
  const auto trace = trace_.Take({.duration = kForEver, .is_cancelled = [] { return true; }});
  EXPECT_EQ(trace.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(engine_->started, 1);
  EXPECT_EQ(engine_->collected, 1);
}

TEST_F(EngineTraceTest, StopEndsTheTraceAndRefusesOthers) {
  AddEngines();
  ASSERT_TRUE(trace_.Begin("x").ok());
  std::jthread stopper([this] { trace_.Stop(); });
  EXPECT_TRUE(trace_.Take({.duration = kForEver}).ok());
  stopper.join();
  EXPECT_EQ(trace_.Begin("x").code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace baton::engine
