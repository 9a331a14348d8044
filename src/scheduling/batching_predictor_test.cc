#include "scheduling/batching_predictor.h"

#include <functional>
#include <limits>
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
#include "testing/fake_clock.h"

namespace baton::scheduling {
namespace {

using predict::PredictCall;
using predict::PredictRequest;
using predict::PredictResponse;
using tensor::DType;
using tensor::Shape;
using tensor::Tensor;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Tensor Floats(Shape shape, std::vector<float> values) {
  return Tensor::FromValues<float>(DType::kFloat, std::move(shape), values);
}
Tensor Floats(std::vector<float> values) {
  const auto rows = static_cast<int64_t>(values.size());
  return Floats({rows}, std::move(values));
}
std::vector<float> ValuesOf(const Tensor& tensor) {
  return {tensor.values<float>().begin(), tensor.values<float>().end()};
}

// One signature with inputs "a" and "b" and outputs of which number i is the first input times
// i + 1.
class Multiplier final : public predict::Predictor {
 public:
  using Script = std::function<absl::Status(const PredictCall&)>;
  void Predict(PredictCall call) override {
    PredictResponse response;
    if (script) {
      if (absl::Status status = script(call); !status.ok()) return call.sink.Finish(status);
    }
    if (outputs.empty()) {
      for (uint32_t port : call.request.output_ports) {
        std::vector<float> values = ValuesOf(call.request.inputs[0]);
        for (float& value : values) value *= static_cast<float>(port + 1);
        response.outputs.push_back(Floats(call.request.inputs[0].shape(), values));
      }
    } else {
      response.outputs = outputs;
    }
    context = call.context;
    request = call.request;
    ++runs;
    call.sink.Finish(std::move(response));
  }

  Script script;
  std::vector<Tensor> outputs;  // instead
  int runs = 0;
  predict::CallContext context;  // of the last run
  PredictRequest request;
};

class BatchingPredictorTest : public ::testing::Test {
 protected:
  BatchingPredictorTest() {
    signature_.name = "serving_default";
    signature_.inputs = {{"a", "a:0", DType::kFloat, {true, {}}, false},
                         {"b", "b:0", DType::kFloat, {true, {}}, false}};
    signature_.outputs = {{"y", "y:0", DType::kFloat, {true, {}}, false},
                          {"z", "z:0", DType::kFloat, {true, {}}, false}};
  }

  void Make(BatchingOptions batching, metrics::ServingMetrics* metrics = nullptr) {
    auto next = std::make_unique<Multiplier>();
    next_ = next.get();
    ASSERT_TRUE(batching.Validate().ok());
    predictor_ = std::make_unique<BatchingPredictor>(
        BatchingPredictor::Options{.model = "m",
                                   .version = 3,
                                   .batching = std::move(batching),
                                   .metrics = metrics,
                                   .clock = &clock_},
        &scheduler_, std::move(next));
  }

  PredictRequest NewRequest(Tensor a) {
    PredictRequest request;
    request.signature = &signature_;
    request.input_ports = {0};
    request.inputs = {std::move(a)};
    request.output_ports = {0};
    return request;
  }
  // Its answer will be answers_[the number of calls before it].
  void Call(PredictRequest request, predict::CallContext context = {}) {
    answers_.push_back(
        std::make_unique<absl::StatusOr<PredictResponse>>(absl::UnknownError("not answered")));
    auto* const answer = answers_.back().get();
    predictor_->Predict(
        {.context = std::move(context),
         .request = std::move(request),
         .sink = predict::ResponseSink([answer, this](absl::StatusOr<PredictResponse> result) {
           *answer = std::move(result);
           ++answered_;
         })});
  }
  void Call(std::vector<float> rows) { Call(NewRequest(Floats(std::move(rows)))); }
  int Run() {
    int batches = 0;
    while (scheduler_.RunReadyBatch()) ++batches;
    return batches;
  }
  const absl::Status& StatusOf(size_t call) { return answers_[call]->status(); }
  std::vector<float> Output(size_t call, size_t output = 0) {
    EXPECT_TRUE(answers_[call]->ok()) << StatusOf(call);
    return answers_[call]->ok() ? ValuesOf((*answers_[call])->outputs[output])
                                : std::vector<float>();
  }

  baton::testing::FakeClock clock_;
  engine::Signature signature_;
  BatchingScheduler scheduler_{{.threads = 0, .clock = &clock_}};
  std::unique_ptr<BatchingPredictor> predictor_;
  Multiplier* next_ = nullptr;
  std::vector<std::unique_ptr<absl::StatusOr<PredictResponse>>> answers_;
  int answered_ = 0;
};

TEST_F(BatchingPredictorTest, RunsRequestsTogetherAndGivesEachItsRows) {
  Make({});
  Call({1});
  Call({2, 3});
  Call({4});
  EXPECT_EQ(answered_, 0);  // Predict only queues
  EXPECT_EQ(Run(), 1);
  EXPECT_EQ(next_->runs, 1);
  EXPECT_EQ(next_->request.inputs[0].shape(), (Shape{4}));
  EXPECT_THAT(Output(0), ElementsAre(1));
  EXPECT_THAT(Output(1), ElementsAre(2, 3));
  EXPECT_THAT(Output(2), ElementsAre(4));
  // Views of one tensor.
  EXPECT_EQ((*answers_[1])->outputs[0].buffer().owner(),
            (*answers_[2])->outputs[0].buffer().owner());
}

TEST_F(BatchingPredictorTest, AWholeBatchOfOneRequestKeepsItsTensors) {
  Make({.allowed_batch_sizes = {2, 1000}});
  const Tensor input = Floats({1, 2});
  next_->outputs = {Floats({5, 6})};
  Call(NewRequest(input));
  EXPECT_EQ(Run(), 1);
  EXPECT_EQ(next_->request.inputs[0].buffer().data(), input.buffer().data());
  EXPECT_EQ((*answers_[0])->outputs[0].buffer().data(), next_->outputs[0].buffer().data());
}

TEST_F(BatchingPredictorTest, PadsToAllowedSizesAndDropsTheRest) {
  Make({.max_batch_size = 4, .allowed_batch_sizes = {2, 4}});
  Call({1});
  Call({2, 3});
  EXPECT_EQ(Run(), 1);
  EXPECT_THAT(ValuesOf(next_->request.inputs[0]), ElementsAre(1, 2, 3, 2));
  EXPECT_THAT(Output(0), ElementsAre(1));
  EXPECT_THAT(Output(1), ElementsAre(2, 3));
  Call({7});
  EXPECT_EQ(Run(), 1);
  EXPECT_THAT(ValuesOf(next_->request.inputs[0]), ElementsAre(7, 7));
  EXPECT_THAT(Output(2), ElementsAre(7));
}

TEST_F(BatchingPredictorTest, ARequestWithoutRowsGetsTheModelsAnswerWhateverSizesAreAllowed) {
  for (const std::vector<int64_t>& allowed : {std::vector<int64_t>{}, {2, 4}}) {
    Make({.max_batch_size = 4, .allowed_batch_sizes = allowed});
    const size_t first = answers_.size();
    Call(std::vector<float>{});
    EXPECT_EQ(Run(), 1);
    EXPECT_EQ(next_->request.inputs[0].shape(), (Shape{0}));
    EXPECT_THAT(Output(first), ElementsAre());
    EXPECT_EQ((*answers_[first])->outputs[0].shape(), (Shape{0}));
    // Behind one that has rows to copy.
    Call({1, 2, 3});
    Call(std::vector<float>{});
    EXPECT_EQ(Run(), 1);
    EXPECT_EQ(next_->request.inputs[0].shape(), (Shape{allowed.empty() ? 3 : 4}));
    EXPECT_THAT(Output(first + 1), ElementsAre(1, 2, 3));
    EXPECT_THAT(Output(first + 2), ElementsAre());
    predictor_.reset();
  }
}

TEST_F(BatchingPredictorTest, PadsOtherDimensionsIfAllowed) {
  Make({.pad_variable_length_inputs = true});
  Call(NewRequest(Floats({1, 1}, {1})));
  Call(NewRequest(Floats({1, 3}, {2, 3, 4})));
  EXPECT_EQ(Run(), 1);
  EXPECT_EQ(next_->request.inputs[0].shape(), (Shape{2, 3}));
  EXPECT_THAT(Output(0), ElementsAre(1, 1, 1));
  EXPECT_THAT(Output(1), ElementsAre(2, 3, 4));
}

TEST_F(BatchingPredictorTest, RequestsOfDifferentShapesFailTogetherWithoutPadding) {
  Make({});
  Call(NewRequest(Floats({1, 1}, {1})));
  Call(NewRequest(Floats({1, 3}, {2, 3, 4})));
  EXPECT_EQ(Run(), 1);
  EXPECT_EQ(next_->runs, 0);
  for (size_t i : {0, 1}) {
    EXPECT_EQ(StatusOf(i),
              absl::FailedPreconditionError(
                  "Tensors with name 'a:0' from different tasks have different shapes and padding "
                  "is turned off. Set pad_variable_length_inputs to true, or ensure that all "
                  "tensors with the same name have equal dimensions starting with the first dim."));
  }
}

TEST_F(BatchingPredictorTest, RefusesRequestsThatCannotBeBatched) {
  const struct {
    bool pad = false;
    std::vector<Tensor> inputs;
    std::string error;
  } kCases[] = {
      {false, {}, "Batching Run() must have at least one input tensor"},
      {false, {Floats({}, {1})}, "Batching Run() input tensors must have at least one dimension"},
      {false,
       {Floats({1}), Floats({}, {1})},
       "Batching Run() input tensors must have at least one dimension"},
      {false,
       {Floats({1, 2}), Floats({1})},
       "Batching Run() input tensors must have equal 0th-dimension size"},
      {false, {Floats({1, 2, 3, 4, 5})}, "Task size 5 is larger than maximum input batch size 4"},
      {true,
       {Floats({1, 1, 1, 1, 1, 1, 1}, {1})},
       "Only tensors with rank from 1 to 6 can be padded."},
  };
  for (const auto& c : kCases) {
    Make({.max_batch_size = 4, .pad_variable_length_inputs = c.pad});
    PredictRequest request = NewRequest(Tensor());
    request.inputs = c.inputs;
    request.input_ports.assign(c.inputs.size(), 0);
    for (uint32_t i = 0; i < c.inputs.size(); ++i) request.input_ports[i] = i;
    Call(std::move(request));
    EXPECT_EQ(StatusOf(answers_.size() - 1), absl::InvalidArgumentError(c.error));
    predictor_.reset();
  }
}

TEST_F(BatchingPredictorTest, RefusesOutputsThatCannotBeSplit) {
  const struct {
    std::vector<Tensor> outputs;
    absl::Status status;
  } kCases[] = {
      {{Floats({}, {1})}, absl::FailedPreconditionError("Batched output tensor has 0 dimensions")},
      {{Floats({1, 2, 3})},
       absl::FailedPreconditionError("Batched output tensor's 0th dimension does not equal the sum "
                                     "of the 0th dimension sizes of the input tensors")},
      {{Floats({1, 2}), Floats({1, 2})},
       absl::InternalError("Wrong number of batched output tensors")},
  };
  for (const auto& c : kCases) {
    for (const bool alone : {true, false}) {
      Make({});
      next_->outputs = c.outputs;
      const size_t first = answers_.size();
      Call(alone ? std::vector<float>{1, 2} : std::vector<float>{1});
      if (!alone) Call({2});
      EXPECT_EQ(Run(), 1);
      for (size_t i = first; i < answers_.size(); ++i) EXPECT_EQ(StatusOf(i), c.status);
      predictor_.reset();
    }
  }
}

TEST_F(BatchingPredictorTest, AnErrorOfTheRunIsEverybodys) {
  Make({});
  next_->script = [](const PredictCall&) { return absl::InvalidArgumentError("graph"); };
  Call({1});
  Call({2});
  EXPECT_EQ(Run(), 1);
  EXPECT_EQ(StatusOf(0), absl::InvalidArgumentError("graph"));
  EXPECT_EQ(StatusOf(1), absl::InvalidArgumentError("graph"));
}

TEST_F(BatchingPredictorTest, TheOrderOfInputsAndOutputsDoesNotMatter) {
  Make({});
  PredictRequest first = NewRequest(Floats({1}));
  first.input_ports = {0, 1};
  first.inputs = {Floats({1}), Floats({10})};
  first.output_ports = {0, 1};
  PredictRequest second = first;
  second.input_ports = {1, 0};
  second.inputs = {Floats({20}), Floats({2})};
  second.output_ports = {1, 0, 1};
  Call(std::move(first));
  Call(std::move(second));
  EXPECT_EQ(Run(), 1);
  EXPECT_THAT(ValuesOf(next_->request.inputs[0]), ElementsAre(1, 2));
  EXPECT_THAT(ValuesOf(next_->request.inputs[1]), ElementsAre(10, 20));
  EXPECT_THAT(Output(0, 0), ElementsAre(1));
  EXPECT_THAT(Output(0, 1), ElementsAre(2));
  EXPECT_THAT(Output(1, 0), ElementsAre(4));
  EXPECT_THAT(Output(1, 1), ElementsAre(2));
  EXPECT_THAT(Output(1, 2), ElementsAre(4));
}

TEST_F(BatchingPredictorTest, RequestsForOtherOutputsOrSignaturesRunByThemselves) {
  Make({});
  PredictRequest subset = NewRequest(Floats({2}));
  subset.output_ports = {1};
  engine::Signature other = signature_;
  other.index = 1;
  PredictRequest of_other = NewRequest(Floats({3}));
  of_other.signature = &other;
  PredictRequest of_both = NewRequest(Floats({4}));
  of_both.input_signatures = {&signature_};
  of_both.output_signatures = {&other};
  Call({1});
  Call(subset);
  Call(std::move(of_other));
  Call(of_both);
  Call(std::move(of_both));
  Call(std::move(subset));
  EXPECT_EQ(Run(), 4);
  EXPECT_THAT(Output(0), ElementsAre(1));
  EXPECT_THAT(Output(1), ElementsAre(4));
  EXPECT_THAT(Output(2), ElementsAre(3));
  EXPECT_THAT(Output(3), ElementsAre(4));
  EXPECT_THAT(Output(5), ElementsAre(4));
}

TEST_F(BatchingPredictorTest, SplitsALargeRequestOverBatchesAndJoinsItsOutputs) {
  Make({.max_batch_size = 8,
        .allowed_batch_sizes = {2, 4, 8},
        .enable_large_batch_splitting = true,
        .max_execution_batch_size = 3});
  Call({1});
  Call({2, 3, 4, 5, 6, 7, 8, 9});
  EXPECT_EQ(Run(), 3);  // 1+2, 3, 3 rows
  EXPECT_EQ(next_->request.inputs[0].shape(), (Shape{4}));
  EXPECT_THAT(Output(0), ElementsAre(1));
  EXPECT_THAT(Output(1), ElementsAre(2, 3, 4, 5, 6, 7, 8, 9));
  EXPECT_EQ(answered_, 2);
}

TEST_F(BatchingPredictorTest, ASplitRequestFailsWhenOnePieceDoes) {
  Make({.max_batch_size = 8, .enable_large_batch_splitting = true, .max_execution_batch_size = 3});
  next_->script = [](const PredictCall& call) {
    return ValuesOf(call.request.inputs[0])[0] == 4 ? absl::InvalidArgumentError("graph")
                                                    : absl::OkStatus();
  };
  Call({1, 2, 3, 4, 5, 6, 7});
  Call({8});
  EXPECT_EQ(Run(), 3);
  EXPECT_EQ(StatusOf(0), absl::InvalidArgumentError("graph"));
  EXPECT_THAT(Output(1), ElementsAre(8));
  EXPECT_EQ(answered_, 2);
}

TEST_F(BatchingPredictorTest, OutputsOfASplitRequestThatDoNotFitTogetherAreAnError) {
  Make({.max_batch_size = 4, .enable_large_batch_splitting = true, .max_execution_batch_size = 2});
  Multiplier* const next = next_;
  next_->script = [next](const PredictCall&) {
    next->outputs = {Floats({2, next->runs + 1}, std::vector<float>(2 * (next->runs + 1)))};
    return absl::OkStatus();
  };
  Call({1, 2, 3, 4});
  EXPECT_EQ(Run(), 2);
  EXPECT_EQ(StatusOf(0).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(BatchingPredictorTest, ABatchMayRunUntilItsLatestDeadline) {
  Make({});
  const absl::Time now = clock_.Now();
  Call(NewRequest(Floats({1})), {.deadline = now + absl::Seconds(1)});
  Call(NewRequest(Floats({2})), {.deadline = now + absl::Seconds(3)});
  Call(NewRequest(Floats({3})), {.deadline = now + absl::Seconds(2)});
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(Run(), 1);
  EXPECT_EQ(next_->context.deadline, now + absl::Seconds(3));
  for (size_t i : {0, 1, 2}) EXPECT_TRUE(StatusOf(i).ok()) << i;
  Call(NewRequest(Floats({4})), {.deadline = now + absl::Seconds(3)});
  Call({5});
  EXPECT_EQ(Run(), 1);
  EXPECT_EQ(next_->context.deadline, absl::InfiniteFuture());
}

TEST_F(BatchingPredictorTest, RequestsThatAllExpiredInTheQueueDoNotRun) {
  Make({});
  const absl::Time now = clock_.Now();
  Call(NewRequest(Floats({1})), {.deadline = now + absl::Seconds(1)});
  Call(NewRequest(Floats({2})), {.deadline = now + absl::Seconds(2)});
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(Run(), 1);
  EXPECT_EQ(next_->runs, 0);
  for (size_t i : {0, 1}) {
    EXPECT_EQ(StatusOf(i), absl::ResourceExhaustedError(
                               "Run() timeout exceeded while waiting in batching queue"));
  }
  // What has expired when it comes does not queue.
  Call(NewRequest(Floats({2})), {.deadline = now});
  EXPECT_EQ(StatusOf(2), predict::TimedOut());
}

TEST_F(BatchingPredictorTest, LeavesOutWhatNobodyWaitsForAnyMore) {
  Make({});
  auto cancellation = std::make_shared<predict::Cancellation>();
  Call({1});
  Call(NewRequest(Floats({2})), {.cancellation = cancellation});
  Call({3});
  cancellation->Cancel();
  EXPECT_EQ(Run(), 1);
  EXPECT_THAT(ValuesOf(next_->request.inputs[0]), ElementsAre(1, 3));
  EXPECT_EQ(StatusOf(1).code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(Output(2), ElementsAre(3));
  auto alone = std::make_shared<predict::Cancellation>();
  Call(NewRequest(Floats({4})), {.cancellation = alone});
  alone->Cancel();
  EXPECT_EQ(Run(), 1);
  EXPECT_EQ(next_->runs, 1);
  EXPECT_EQ(StatusOf(3).code(), absl::StatusCode::kCancelled);
}

TEST_F(BatchingPredictorTest, CountsWhatTensorFlowServingCounts) {
  metrics::ServingMetrics metrics;
  Make({.max_batch_size = 4, .allowed_batch_sizes = {2, 4}}, &metrics);
  PredictRequest two_inputs = NewRequest(Floats({1}));
  two_inputs.input_ports = {0, 1};
  two_inputs.inputs = {Floats({1}), Floats({1})};
  Call(two_inputs);
  Call(std::move(two_inputs));
  Call({1, 2, 3});
  clock_.Advance(absl::Microseconds(150));
  EXPECT_EQ(Run(), 2);
  const std::string page = metrics.Text("");
  for (const char* line : {":tensorflow:serving:batching_session:wrapped_run_count{} 2\n",
                           "batching_session:input_batch_size_sum{} 7\n",
                           "batching_session:input_batch_size_count{} 5\n",
                           "batching_session:processed_batch_size_sum{} 6\n",
                           "batching_session:padding_size_sum{execution_batch_size=\"2\"} 0\n",
                           "batching_session:padding_size_sum{execution_batch_size=\"4\"} 1\n",
                           "batching_session:queuing_latency_count{thread_pool_name=\"\"} 3\n",
                           "batching_session:queuing_latency_sum{thread_pool_name=\"\"} 450\n"}) {
    EXPECT_THAT(page, HasSubstr(line));
  }
}

// Over the real leaf, with threads and clients.
TEST(BatchingPredictorStressTest, EveryRequestGetsItsOwnRows) {
  constexpr int kClients = 4;
  constexpr int kCalls = 500;
  predict::ScriptedModel model(predict::ScriptedModel::Echo, 2);
  BatchingScheduler scheduler({.threads = 3});
  BatchingPredictor predictor(
      {.batching = {.max_batch_size = 16,
                    .batch_timeout_micros = 100,
                    .max_enqueued_batches = 100,
                    .allowed_batch_sizes = {4, 16},
                    .enable_large_batch_splitting = true,
                    .max_execution_batch_size = 6},
       .max_concurrent_runs = 2},
      &scheduler,
      std::make_unique<predict::EnginePredictor>(predict::EnginePredictor::Options{}, &model));
  std::vector<std::thread> clients;
  for (int c = 0; c < kClients; ++c) {
    clients.emplace_back([&, c] {
      predict::Answers answers;
      for (int i = 0; i < kCalls; ++i) {
        PredictRequest request = model.NewRequest();
        std::vector<float> rows(static_cast<size_t>(i % 17));
        for (size_t r = 0; r < rows.size(); ++r) {
          rows[r] = static_cast<float>(c * 1000000 + i * 100 + static_cast<int>(r));
        }
        request.inputs = {Floats(rows)};
        const auto check = [&answers, rows](absl::StatusOr<PredictResponse> result) {
          EXPECT_TRUE(result.ok()) << result.status();
          EXPECT_EQ(result.ok() ? ValuesOf(result->outputs[0]) : std::vector<float>(), rows);
          answers.Add(result.status());
        };
        predictor.Predict(
            {.context = {}, .request = std::move(request), .sink = predict::ResponseSink(check)});
        if (i % 8 == 7) answers.WaitFor(static_cast<size_t>(i + 1));
      }
      answers.WaitFor(kCalls);
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_FALSE(model.shared_instance);
}

}  // namespace
}  // namespace baton::scheduling
