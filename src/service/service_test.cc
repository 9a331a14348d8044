#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "predict/engine_predictor.h"
#include "predict/scripted_engine.h"
#include "service/call_record.h"
#include "service/inference_service.h"
#include "service/model_metrics.h"
#include "service/model_service.h"
#include "service/request_metrics.h"

namespace baton::service {
namespace {

using lifecycle::VersionState;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// --- InferenceService

class InferenceServiceTest : public ::testing::Test {
 protected:
  // Publishes model "m" version 3, whose runs do what `script` says.
  std::weak_ptr<lifecycle::Servable> Publish(predict::ScriptedModel::Script script) {
    auto model = std::make_unique<predict::ScriptedModel>(std::move(script));
    auto leaf = std::make_unique<predict::EnginePredictor>(predict::EnginePredictor::Options{},
                                                           model.get());
    return Publish(std::move(model), std::move(leaf));
  }
  std::weak_ptr<lifecycle::Servable> Publish(std::unique_ptr<predict::ScriptedModel> model,
                                             std::unique_ptr<predict::Predictor> leaf) {
    model_ = model.get();
    auto servable = std::make_shared<lifecycle::Servable>(lifecycle::ServableId{"m", 3},
                                                          std::move(model), std::move(leaf));
    lifecycle::Catalog catalog;
    catalog.models["m"][3] = servable;
    registry_.Publish(catalog);
    return servable;
  }
  void Run(Session session, predict::PredictRequest request) {
    std::move(session).Run(
        {}, std::move(request),
        [this](absl::StatusOr<predict::PredictResponse> result) { answers_.Add(result.status()); });
  }

  lifecycle::ServableRegistry registry_;
  metrics::Registry metrics_registry_;
  RequestMetrics metrics_{&metrics_registry_};
  InferenceService service_{&registry_, &metrics_};
  predict::ScriptedModel* model_ = nullptr;
  predict::Answers answers_;
};

TEST_F(InferenceServiceTest, FindsTheModelAndRunsTheRequest) {
  Publish(predict::ScriptedModel::Echo);
  absl::StatusOr<Session> session = service_.Begin({.name = "m"});
  ASSERT_TRUE(session.ok());
  EXPECT_EQ(session->id(), (lifecycle::ServableId{"m", 3}));
  EXPECT_NE(session->signatures().Find(""), nullptr);
  Run(*std::move(session), model_->NewRequest());
  EXPECT_TRUE(answers_.WaitFor(1)[0].ok());
}

TEST_F(InferenceServiceTest, RefusesWhatItCannotResolve) {
  Publish(predict::ScriptedModel::Echo);
  const struct {
    predict::ModelSpec spec;
    absl::Status expected;
  } rows[] = {
      {{.name = ""}, absl::InvalidArgumentError("ModelSpec has no name specified.")},
      {{.name = "n"}, absl::NotFoundError("Servable not found for request: Latest(n)")},
      {{.name = "m", .version = 0},
       absl::NotFoundError("Servable not found for request: Specific(m, 0)")},
  };
  for (const auto& row : rows) EXPECT_EQ(service_.Begin(row.spec).status(), row.expected);
}

TEST_F(InferenceServiceTest, ChecksTypesBeforeTheEngineSeesTheRequest) {
  Publish(predict::ScriptedModel::Echo);
  predict::PredictRequest request = model_->NewRequest();
  const std::string_view text = "1.5";
  request.inputs = {tensor::Tensor::FromStrings({1}, std::span(&text, 1))};
  Run(*service_.Begin({.name = "m"}), std::move(request));
  EXPECT_EQ(answers_.WaitFor(1)[0],
            absl::InvalidArgumentError("Expects arg[0] to be float but string is provided"));
  EXPECT_EQ(model_->runs, 0);
}

TEST_F(InferenceServiceTest, KeepsTheVersionUntilTheRunHasEnded) {
  predict::Gate gate;
  const auto servable = Publish([&](const auto& run, auto* outputs) {
    gate.Pass();
    return predict::ScriptedModel::Echo(run, outputs);
  });
  Session session = *service_.Begin({.name = "m"});
  std::thread run([&] { Run(std::move(session), model_->NewRequest()); });
  gate.WaitForArrivals(1);
  registry_.Publish({});  // the version is gone for new requests only
  EXPECT_EQ(service_.Begin({.name = "m"}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(servable.expired());
  gate.Open();
  run.join();
  EXPECT_TRUE(answers_.WaitFor(1)[0].ok());
  EXPECT_TRUE(servable.expired());
}

// Answers later: hands its one call to the test.
class DeferringPredictor final : public predict::Predictor {
 public:
  explicit DeferringPredictor(predict::PredictCall* call) : call_(call) {}
  void Predict(predict::PredictCall call) override { *call_ = std::move(call); }

 private:
  predict::PredictCall* const call_;
};

TEST_F(InferenceServiceTest, KeepsTheVersionUntilALateAnswerIsOut) {
  predict::PredictCall call;
  const auto servable = Publish(std::make_unique<predict::ScriptedModel>(),
                                std::make_unique<DeferringPredictor>(&call));
  Run(*service_.Begin({.name = "m"}), model_->NewRequest());
  registry_.Publish({});
  EXPECT_FALSE(servable.expired());
  call.sink.Finish(predict::PredictResponse());
  EXPECT_TRUE(answers_.WaitFor(1)[0].ok());
  EXPECT_TRUE(servable.expired());
}

TEST_F(InferenceServiceTest, AnUnusedSessionLetsTheVersionGo) {
  const auto servable = Publish(predict::ScriptedModel::Echo);
  {
    absl::StatusOr<Session> session = service_.Begin({.name = "m"});
    registry_.Publish({});
    EXPECT_FALSE(servable.expired());
  }
  EXPECT_TRUE(servable.expired());
}

// --- RequestMetrics

class RequestMetricsTest : public ::testing::Test {
 protected:
  std::string Text() const { return registry_.PrometheusText(); }

  metrics::Registry registry_;
  RequestMetrics metrics_{&registry_};
  RequestMetrics::Sample sample_{.model = "m",
                                 .version = 3,
                                 .signature = "serving_default",
                                 .method = "Predict",
                                 .latency = absl::Milliseconds(3)};
};

TEST_F(RequestMetricsTest, CountsAndTimesByEveryLabel) {
  metrics_.Record(sample_);
  metrics_.Record(sample_);
  sample_.entrypoint = Entrypoint::kRest;
  sample_.code = absl::StatusCode::kInvalidArgument;
  metrics_.Record(sample_);
  const std::string text = Text();
  const std::string labels =
      R"(model="m",version="3",signature="serving_default",method="Predict",entrypoint=)";
  EXPECT_THAT(text, HasSubstr("baton_requests_total{" + labels + R"("grpc",code="OK"} 2)"));
  EXPECT_THAT(text,
              HasSubstr("baton_requests_total{" + labels + R"("rest",code="INVALID_ARGUMENT"} 1)"));
  const std::string duration = "baton_request_duration_seconds_";
  EXPECT_THAT(text, HasSubstr(duration + "bucket{" + labels + R"("grpc",le="0.0025"} 0)"));
  EXPECT_THAT(text, HasSubstr(duration + "bucket{" + labels + R"("grpc",le="0.005"} 2)"));
  EXPECT_THAT(text, HasSubstr(duration + "sum{" + labels + R"("grpc"} 0.006)"));
  EXPECT_THAT(text, HasSubstr(duration + "count{" + labels + R"("rest"} 1)"));
}

TEST_F(RequestMetricsTest, CountsRequestsThatFoundNoModelInOneSeries) {
  sample_.model = "";
  sample_.code = absl::StatusCode::kNotFound;
  for (const char* name : {"a", "b"}) {
    sample_.signature = name;
    ++sample_.version;
    metrics_.Record(sample_);
  }
  EXPECT_THAT(Text(), HasSubstr("baton_requests_total{model=\"\",version=\"\",signature=\"\","
                                "method=\"Predict\",entrypoint=\"grpc\",code=\"NOT_FOUND\"} 2\n"));
}

TEST_F(RequestMetricsTest, AddsUpOverThreads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) metrics_.Record(sample_);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(Text(), HasSubstr("code=\"OK\"} 4000\n"));
}

TEST_F(RequestMetricsTest, ForgetsAVersionAndCountsAnewWhenItComesBack) {
  metrics_.Record(sample_);
  sample_.version = 4;
  metrics_.Record(sample_);
  metrics_.Forget("m", 3);
  metrics_.Forget("m", 99);
  EXPECT_THAT(Text(), Not(HasSubstr("version=\"3\"")));
  EXPECT_THAT(Text(), HasSubstr("version=\"4\""));
  sample_.version = 3;
  metrics_.Record(sample_);
  EXPECT_THAT(Text(), HasSubstr("version=\"3\",signature=\"serving_default\",method=\"Predict\","
                                "entrypoint=\"grpc\",code=\"OK\"} 1\n"));
}

// Contract §8.3: which requests TensorFlow Serving's metrics count, and under which labels.
TEST(ServingRequestMetricsTest, CountsByTensorFlowServingsRules) {
  using Sample = RequestMetrics::Sample;
  const auto ok = absl::StatusCode::kOk;
  const auto micros = absl::Microseconds(5);
  const struct {
    Sample sample;
    const char* count;    // the line of request_count, or none
    const char* latency;  // of request_latency
    const char* runtime;  // of runtime_latency
  } cases[] = {
      {{.model = "m", .method = "Predict", .code = ok, .run_latency = micros},
       "{model_name=\"m\",status=\"OK\"}",
       "{model_name=\"m\",API=\"Predict\",entrypoint=\"GRPC\"}",
       "{model_name=\"m\",API=\"Predict\",runtime=\"TF1\"}"},
      {{.model = "m", .method = "classify", .entrypoint = Entrypoint::kRest, .run_latency = micros},
       "{model_name=\"m\",status=\"OK\"}",
       "{model_name=\"m\",API=\"classify\",entrypoint=\"REST\"}",
       "{model_name=\"m\",API=\"Classify\",runtime=\"TF1\"}"},
      {{.model = "m", .method = "status", .entrypoint = Entrypoint::kRest},
       "{model_name=\"m\",status=\"OK\"}",
       "{model_name=\"m\",API=\"\",entrypoint=\"REST\"}",
       nullptr},
      {{.method = "other", .entrypoint = Entrypoint::kRest, .requested_model = "x"},
       "{model_name=\"x\",status=\"OK\"}",
       "{model_name=\"x\",API=\"\",entrypoint=\"REST\"}",
       nullptr},
      {{.model = "m",
        .method = "Regress",
        .code = absl::StatusCode::kInvalidArgument,
        .run_latency = micros},
       "{model_name=\"m\",status=\"INVALID_ARGUMENT\"}",
       nullptr,
       nullptr},
      {{.method = "Predict", .code = absl::StatusCode::kNotFound, .requested_model = "nosuch"},
       "{model_name=\"nosuch\",status=\"NOT_FOUND\"}",
       nullptr,
       nullptr},
      {{.model = "m", .method = "MultiInference"}, nullptr, nullptr, nullptr},
      {{.model = "m", .method = "GetModelMetadata"}, nullptr, nullptr, nullptr},
      {{.model = "m", .method = "GetModelStatus"}, nullptr, nullptr, nullptr},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.sample.method);
    metrics::Registry registry;
    metrics::ServingMetrics serving;
    RequestMetrics metrics(&registry, &serving);
    metrics.Record(c.sample);
    metrics.Record(c.sample);
    const std::string page = serving.Text("");
    const auto expect = [&page](const char* labels, const std::string& name) {
      const std::string line = name + (labels == nullptr ? "{" : labels);
      EXPECT_THAT(page, labels == nullptr ? ::testing::Matcher<std::string>(Not(HasSubstr(line)))
                                          : HasSubstr(line + " 2\n"));
    };
    expect(c.count, ":tensorflow:serving:request_count");
    expect(c.latency, ":tensorflow:serving:request_latency_count");
    expect(c.runtime, ":tensorflow:serving:runtime_latency_count");
  }
}
TEST_F(RequestMetricsTest, TwoOfThemOnOneThreadDoNotMixTheirCells) {
  metrics::Registry other_registry;
  RequestMetrics other(&other_registry);
  metrics_.Record(sample_);
  other.Record(sample_);
  metrics_.Record(sample_);
  EXPECT_THAT(Text(), HasSubstr("code=\"OK\"} 2\n"));
  EXPECT_THAT(other_registry.PrometheusText(), HasSubstr("code=\"OK\"} 1\n"));
}

// --- CallRecord

TEST(CallRecordTest, OnlyTheFirstEndOfACallCounts) {
  metrics::Registry registry;
  RequestMetrics metrics(&registry);
  CallRecord record({.method = "Predict", .arrival = absl::Now()}, &metrics);
  record.SetServable("m", 3, "s");
  EXPECT_FALSE(record.is_finished());
  EXPECT_TRUE(record.Finish(absl::StatusCode::kOk));
  EXPECT_TRUE(record.is_finished());
  EXPECT_FALSE(record.Finish(absl::StatusCode::kInternal));
  EXPECT_THAT(registry.PrometheusText(), HasSubstr("code=\"OK\"} 1\n"));
  EXPECT_THAT(registry.PrometheusText(), Not(HasSubstr("INTERNAL")));
}

TEST(CallRecordTest, WhatEndsBehindTheDeadlineCountsAsWhatTheClientSaw) {
  const struct {
    absl::StatusCode code;
    const char* counted;
  } rows[] = {{absl::StatusCode::kOk, "DEADLINE_EXCEEDED"},
              {absl::StatusCode::kCancelled, "DEADLINE_EXCEEDED"},
              {absl::StatusCode::kInvalidArgument, "INVALID_ARGUMENT"}};
  for (const auto& row : rows) {
    metrics::Registry registry;
    RequestMetrics metrics(&registry);
    const absl::Time now = absl::Now();
    CallRecord record({.method = "Predict",
                       .arrival = now - absl::Seconds(2),
                       .deadline = now - absl::Seconds(1)},
                      &metrics);
    record.Finish(row.code);
    EXPECT_THAT(registry.PrometheusText(), HasSubstr(row.counted));
  }
}

// --- ModelMetrics

TEST(ModelMetricsTest, ShowsTheStateOfEveryVersion) {
  metrics::Registry registry;
  lifecycle::StateMonitor monitor;
  ModelMetrics model_metrics(&registry, &monitor);
  monitor.Update({"m", 1}, VersionState::kLoading);
  monitor.Update({"m", 1}, VersionState::kAvailable);
  monitor.Update({"m", 2}, VersionState::kEnd, absl::InternalError("broken"));
  EXPECT_THAT(registry.PrometheusText(),
              HasSubstr("# TYPE baton_model_state gauge\n"
                        "baton_model_state{model=\"m\",version=\"1\"} 30\n"
                        "baton_model_state{model=\"m\",version=\"2\"} 50\n"));
}

TEST(ModelMetricsTest, EndsTheSeriesOfVersionsLongGone) {
  metrics::Registry registry;
  lifecycle::StateMonitor monitor;
  RequestMetrics requests(&registry);
  ModelMetrics model_metrics(&registry, &monitor, &requests);
  for (int64_t version = 1; version <= 100; ++version) {
    monitor.Update({"m", version}, VersionState::kAvailable);
    requests.Record({.model = "m", .version = version, .method = "Predict"});
    // Version 1 serves all the time; the others end.
    if (version > 1) monitor.Update({"m", version}, VersionState::kEnd);
  }
  const std::string text = registry.PrometheusText();
  EXPECT_THAT(text, HasSubstr("baton_model_state{model=\"m\",version=\"1\"} 30\n"));
  EXPECT_THAT(text, HasSubstr("baton_requests_total{model=\"m\",version=\"1\","));
  for (const int64_t gone : {2, 50, 84}) {
    EXPECT_THAT(text, Not(HasSubstr(base::StrCat("version=\"", gone, "\"")))) << gone;
  }
  for (const int64_t kept : {85, 100}) {
    EXPECT_THAT(text, HasSubstr(base::StrCat("version=\"", kept, "\"} 50\n"))) << kept;
  }
}

TEST(ModelMetricsTest, AVersionThatComesBackCountsAsServing) {
  metrics::Registry registry;
  lifecycle::StateMonitor monitor;
  ModelMetrics model_metrics(&registry, &monitor);
  monitor.Update({"m", 1}, VersionState::kEnd);
  monitor.Update({"m", 1}, VersionState::kAvailable);
  for (int64_t version = 2; version <= 40; ++version) {
    monitor.Update({"m", version}, VersionState::kEnd);
  }
  EXPECT_THAT(registry.PrometheusText(),
              HasSubstr("baton_model_state{model=\"m\",version=\"1\"} 30\n"));
}

// --- ModelService and Health

TEST(ModelServiceTest, ListsVersionsAndIgnoresLabels) {
  lifecycle::StateMonitor monitor;
  ModelService service(&monitor);
  monitor.Update({"m", 1}, VersionState::kEnd);
  monitor.Update({"m", 2}, VersionState::kAvailable);
  const auto all = service.Status({.name = "m", .label = "stable"});
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[0].version, 2);
  EXPECT_EQ(service.Status({.name = "m", .version = 1})->size(), 1u);
  EXPECT_EQ(service.Status({.name = ""}).status(),
            absl::NotFoundError("Could not find any versions of model "));
  EXPECT_EQ(service.Status({.name = "m", .version = 9}).status(),
            absl::NotFoundError("Could not find version 9 of model m"));
}

TEST(HealthTest, TellsItsListenersOfChangesOnly) {
  Health health;
  std::vector<bool> seen;
  health.AddListener([&](bool ready) { seen.push_back(ready); });
  EXPECT_FALSE(health.ready());
  health.SetReady(false);
  health.SetReady(true);
  health.SetReady(true);
  EXPECT_TRUE(health.ready());
  health.SetReady(false);
  EXPECT_THAT(seen, ElementsAre(true, false));
}

}  // namespace
}  // namespace baton::service
