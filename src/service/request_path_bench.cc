// What a request costs between the decoded tensors and the engine, layer by layer: the difference
// of two lines is the price of the layer. Build: ninja request_path_bench; run it on a quiet
// machine.

#include <benchmark/benchmark.h>

#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "predict/engine_predictor.h"
#include "predict/scripted_engine.h"
#include "scheduling/scheduling_predictor.h"
#include "service/inference_service.h"
#include "service/request_metrics.h"

namespace baton::service {
namespace {

// A model, its predictors, and a catalog that serves it; made once.
class Stack {
 public:
  Stack() {
    auto model = std::make_unique<predict::ScriptedModel>();
    auto leaf = std::make_unique<predict::EnginePredictor>(predict::EnginePredictor::Options{},
                                                           model.get());
    auto scheduling = std::make_unique<scheduling::SchedulingPredictor>(
        scheduling::SchedulingPredictor::Options{.model = "m", .version = 1}, model->signatures(),
        &scheduler_, std::move(leaf));
    model_ = model.get();
    predictor_ = scheduling.get();
    lifecycle::Catalog catalog;
    catalog.models["m"][1] = std::make_shared<lifecycle::Servable>(
        lifecycle::ServableId{"m", 1}, std::move(model), std::move(scheduling));
    lifecycle_.Publish(catalog);
    for (int i = 0; i < 200; ++i) {  // until the model is known to be short
      predict::Answers answer;
      predictor_->Predict(NewCall(false, answer.NewSink()));
      answer.WaitFor(1);
    }
  }
  ~Stack() { lifecycle_.Publish({}); }

  predict::PredictCall NewCall(bool may_run_inline, predict::ResponseSink sink) const {
    predict::PredictCall call;
    call.context.may_run_inline = may_run_inline;
    call.request = model_->NewRequest();
    call.sink = std::move(sink);
    return call;
  }

  predict::ScriptedModel& model() { return *model_; }
  predict::Predictor& predictor() { return *predictor_; }
  InferenceService& service() { return service_; }
  RequestMetrics& metrics() { return request_metrics_; }

 private:
  scheduling::LaneScheduler scheduler_{{.threads = 1}};
  metrics::Registry registry_;
  RequestMetrics request_metrics_{&registry_};
  lifecycle::ServableRegistry lifecycle_;
  InferenceService service_{&lifecycle_, &request_metrics_};
  predict::ScriptedModel* model_ = nullptr;
  predict::Predictor* predictor_ = nullptr;
};

// Counts its answers, because a compiler may not forget them then.
struct Counting {
  int64_t answers = 0;
  predict::ResponseSink::Callback Callback() {
    return [this](absl::StatusOr<predict::PredictResponse> result) { answers += result.ok(); };
  }
  predict::ResponseSink Sink() { return predict::ResponseSink(Callback()); }
};

Stack& TheStack() {
  static Stack stack;
  return stack;
}

// Making the request is the codec's price; every line pays it.
void EngineAlone(benchmark::State& state) {
  predict::ScriptedModel& model = TheStack().model();
  const auto instance = *model.NewInstance();
  for (auto _ : state) {
    const predict::PredictRequest request = model.NewRequest();
    std::vector<tensor::Tensor> outputs;
    benchmark::DoNotOptimize(instance->Execute({.signature = request.signature,
                                                .input_ports = request.input_ports,
                                                .inputs = request.inputs,
                                                .output_ports = request.output_ports},
                                               &outputs));
  }
}
BENCHMARK(EngineAlone);

void Leaf(benchmark::State& state) {
  predict::EnginePredictor leaf({}, &TheStack().model());
  Counting counting;
  for (auto _ : state) leaf.Predict(TheStack().NewCall(true, counting.Sink()));
}
BENCHMARK(Leaf);

void SchedulingInline(benchmark::State& state) {
  Counting counting;
  for (auto _ : state) {
    TheStack().predictor().Predict(TheStack().NewCall(true, counting.Sink()));
  }
}
BENCHMARK(SchedulingInline);

void WholeSession(benchmark::State& state) {
  Counting counting;
  for (auto _ : state) {
    Session session = *TheStack().service().Begin({.name = "m"});
    predict::CallContext context;
    context.may_run_inline = true;
    std::move(session).Run(std::move(context), TheStack().model().NewRequest(),
                           counting.Callback());
    TheStack().metrics().Record({.model = "m",
                                 .version = 1,
                                 .signature = "serving_default",
                                 .method = "Predict",
                                 .latency = absl::Microseconds(70)});
  }
}
BENCHMARK(WholeSession)->Threads(1)->Threads(2);

void MetricsRecord(benchmark::State& state) {
  for (auto _ : state) {
    TheStack().metrics().Record({.model = "m",
                                 .version = 1,
                                 .signature = "serving_default",
                                 .method = "Predict",
                                 .latency = absl::Microseconds(70)});
  }
}
BENCHMARK(MetricsRecord)->Threads(1)->Threads(2);

// There and back: the price of a change of threads, twice.
void SchedulingQueued(benchmark::State& state) {
  for (auto _ : state) {
    predict::Answers answer;
    TheStack().predictor().Predict(TheStack().NewCall(false, answer.NewSink()));
    answer.WaitFor(1);
  }
}
BENCHMARK(SchedulingQueued)->UseRealTime();

}  // namespace
}  // namespace baton::service

BENCHMARK_MAIN();
