#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "predict/engine_predictor.h"

#include "predict/instance_pool.h"
#include "predict/scripted_engine.h"
#include "predict/validate.h"
#include "testing/fake_clock.h"

namespace baton::predict {
namespace {

using tensor::DType;

// --- ResponseSink

TEST(ResponseSinkTest, AnswersInternalWhenItDiesUnfinished) {
  Answers answers;
  { ResponseSink sink = answers.NewSink(); }
  ASSERT_EQ(answers.count(), 1u);
  EXPECT_EQ(answers.WaitFor(1)[0].code(), absl::StatusCode::kInternal);
}

TEST(ResponseSinkTest, AnswersOnceHoweverOftenItIsMoved) {
  Answers answers;
  {
    ResponseSink first = answers.NewSink();
    ResponseSink second(std::move(first));
    ResponseSink third;
    third = std::move(second);
    third.Finish(PredictResponse());
  }
  ASSERT_EQ(answers.count(), 1u);
  EXPECT_TRUE(answers.WaitFor(1)[0].ok());
}

TEST(ResponseSinkTest, AnswersTheOldCallWhenItIsAssignedOver) {
  Answers old_answers, new_answers;
  ResponseSink sink = old_answers.NewSink();
  sink = new_answers.NewSink();
  EXPECT_EQ(old_answers.count(), 1u);
  EXPECT_EQ(new_answers.count(), 0u);
  sink.Finish(PredictResponse());
  EXPECT_EQ(new_answers.count(), 1u);
}

TEST(ResponseSinkTest, KeepsItsLeaseUntilTheCallbackHasReturned) {
  auto lease = std::make_shared<int>(1);
  std::weak_ptr<int> watch = lease;
  bool alive_in_callback = false;
  ResponseSink sink([&](absl::StatusOr<PredictResponse>) { alive_in_callback = !watch.expired(); },
                    std::move(lease));
  EXPECT_FALSE(watch.expired());
  sink.Finish(PredictResponse());
  EXPECT_TRUE(alive_in_callback);
  EXPECT_TRUE(watch.expired());
}

// --- ValidateRequest

TEST(ValidateRequestTest, ComparesTypesInTensorFlowsWords) {
  const struct {
    std::vector<DType> declared, given;
    std::string message;  // empty: accepted
  } rows[] = {
      {{DType::kFloat}, {DType::kFloat}, ""},
      {{}, {}, ""},
      {{DType::kFloat}, {DType::kString}, "Expects arg[0] to be float but string is provided"},
      {{DType::kFloat, DType::kInt64},
       {DType::kFloat, DType::kInt32},
       "Expects arg[1] to be int64 but int32 is provided"},
      {{DType::kHalf}, {DType::kBfloat16}, "Expects arg[0] to be half but bfloat16 is provided"},
      {{DType::kInvalid}, {DType::kDouble}, ""},
      {{static_cast<DType>(101)}, {DType::kFloat}, ""},  // float_ref
      {{static_cast<DType>(101)},
       {DType::kInt8},
       "Expects arg[0] to be float_ref but int8 is provided"},
  };
  for (const auto& row : rows) {
    engine::Signature signature;
    PredictRequest request;
    request.signature = &signature;
    for (size_t i = 0; i < row.given.size(); ++i) {
      signature.inputs.push_back({base::StrCat("in", i), "", row.declared[i], {}, false});
      request.input_ports.push_back(static_cast<uint32_t>(i));
      request.inputs.push_back(*tensor::Tensor::Allocate(row.given[i], {2}));
    }
    const absl::Status status = ValidateRequest(request);
    EXPECT_EQ(base::Message(status), row.message);
    EXPECT_EQ(status.code(),
              row.message.empty() ? absl::StatusCode::kOk : absl::StatusCode::kInvalidArgument);
  }
}

TEST(ValidateRequestTest, CountsTheInputsThatWereFedNotThePorts) {
  ScriptedModel model;
  engine::Signature signature;
  signature.inputs = {{"a", "", DType::kFloat, {}, true}, {"b", "", DType::kFloat, {}, false}};
  PredictRequest request;
  request.signature = &signature;
  request.input_ports = {1};
  request.inputs = {*tensor::Tensor::Allocate(DType::kBool, {1})};
  EXPECT_EQ(base::Message(ValidateRequest(request)),
            "Expects arg[0] to be float but bool is provided");
}

TEST(ValidateRequestTest, RefusesPortsThatTheSignatureLacks) {
  ScriptedModel model;
  PredictRequest request = model.NewRequest();
  request.input_ports = {1};
  EXPECT_EQ(ValidateRequest(request).code(), absl::StatusCode::kInternal);
  request = model.NewRequest();
  request.output_ports = {0, 1};
  EXPECT_EQ(ValidateRequest(request).code(), absl::StatusCode::kInternal);
  request = model.NewRequest();
  request.inputs.clear();
  EXPECT_EQ(ValidateRequest(request).code(), absl::StatusCode::kInternal);
}

// --- InstancePool

TEST(InstancePoolTest, ReusesAnInstanceBeforeItMakesAnother) {
  ScriptedModel model;
  InstancePool pool(&model);
  engine::Instance* first = nullptr;
  {
    InstancePool::Lease lease = *pool.TryLease();
    first = &*lease;
  }
  InstancePool::Lease again = *pool.TryLease();
  EXPECT_EQ(&*again, first);
  InstancePool::Lease other = *pool.TryLease();
  EXPECT_NE(&*other, first);
  EXPECT_EQ(pool.size(), 2u);
}

TEST(InstancePoolTest, KeepsTheStricterOfBothLimits) {
  const struct {
    uint32_t model, pool, expected;
  } rows[] = {{0, 0, 0}, {2, 0, 2}, {0, 3, 3}, {2, 3, 2}, {4, 3, 3}};
  for (const auto& row : rows) {
    ScriptedModel model(ScriptedModel::Echo, row.model);
    InstancePool pool(&model, row.pool);
    EXPECT_EQ(pool.limit(), row.expected);
    std::vector<InstancePool::Lease> leases;
    for (uint32_t i = 0; i < row.expected; ++i) leases.push_back(*pool.TryLease());
    if (row.expected > 0) {
      absl::StatusOr<InstancePool::Lease> none = pool.TryLease();
      ASSERT_TRUE(none.ok());
      EXPECT_FALSE(*none);
    }
  }
}

TEST(InstancePoolTest, HandsAReturnedInstanceToTheOneWhoWaits) {
  ScriptedModel model(ScriptedModel::Echo, 1);
  InstancePool pool(&model);
  auto held = std::make_unique<InstancePool::Lease>(*pool.TryLease());
  engine::Instance* const instance = &**held;
  engine::Instance* got = nullptr;
  std::thread waiter([&] { got = &**pool.WaitForLease(absl::InfiniteFuture()); });
  held.reset();
  waiter.join();
  EXPECT_EQ(got, instance);
  EXPECT_EQ(pool.size(), 1u);
}

TEST(InstancePoolTest, ReturnsAnEmptyLeaseWhenTheDeadlineComesFirst) {
  ScriptedModel model(ScriptedModel::Echo, 1);
  InstancePool pool(&model);
  InstancePool::Lease held = *pool.TryLease();
  absl::StatusOr<InstancePool::Lease> late = pool.WaitForLease(absl::Now());
  ASSERT_TRUE(late.ok());
  EXPECT_FALSE(*late);
}

TEST(InstancePoolTest, GivesThePlaceBackWhenAnInstanceCannotBeMade) {
  ScriptedModel model(ScriptedModel::Echo, 1);
  InstancePool pool(&model);
  model.fail_instances = 1;
  EXPECT_EQ(pool.TryLease().status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(pool.size(), 0u);
  EXPECT_TRUE(*pool.TryLease());
}

TEST(InstancePoolTest, NeverLeasesOneInstanceTwiceUnderLoad) {
  ScriptedModel model(ScriptedModel::Echo, 2);
  {
    EnginePredictor predictor({}, &model);
    Answers answers;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 500; ++i) {
          PredictCall call;
          call.request = model.NewRequest();
          call.sink = answers.NewSink();
          predictor.Predict(std::move(call));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(answers.count(), 2000u);
    EXPECT_EQ(model.runs, 2000);
    EXPECT_LE(model.instances, 2);
  }
  EXPECT_FALSE(model.shared_instance);
  EXPECT_EQ(model.instances, 0);
}

// --- EnginePredictor

class EnginePredictorTest : public ::testing::Test {
 protected:
  absl::StatusOr<PredictResponse> Predict(ScriptedModel& model, CallContext context,
                                          PredictRequest request) {
    EnginePredictor predictor({.clock = &clock_}, &model);
    return Predict(predictor, std::move(context), std::move(request));
  }
  absl::StatusOr<PredictResponse> Predict(EnginePredictor& predictor, CallContext context,
                                          PredictRequest request) {
    absl::StatusOr<PredictResponse> answer = absl::UnknownError("not answered");
    predictor.Predict({std::move(context), std::move(request),
                       ResponseSink([&](absl::StatusOr<PredictResponse> result) {
                         answer = std::move(result);
                       })});
    return answer;
  }
  baton::testing::FakeClock clock_;
};

TEST_F(EnginePredictorTest, HandsTheRequestToTheEngineAndTheOutputsBack) {
  Cancellation* seen_cancellation = nullptr;
  absl::Time seen_deadline;
  ScriptedModel model([&](const engine::RunRequest& run, std::vector<tensor::Tensor>* outputs) {
    seen_deadline = run.deadline;
    EXPECT_EQ(run.cancelled, seen_cancellation->flag());
    EXPECT_EQ(run.signature->name, "serving_default");
    return ScriptedModel::Echo(run, outputs);
  });
  CallContext context;
  context.deadline = clock_.Now() + absl::Seconds(1);
  context.cancellation = std::make_shared<Cancellation>();
  seen_cancellation = context.cancellation.get();
  const auto answer = Predict(model, context, model.NewRequest("", 3));
  ASSERT_TRUE(answer.ok());
  ASSERT_EQ(answer->outputs.size(), 1u);
  EXPECT_EQ(answer->outputs[0].shape(), tensor::Shape({3}));
  EXPECT_EQ(seen_deadline, context.deadline);
}

TEST_F(EnginePredictorTest, HandsTheSignatureOfEveryPortToTheEngine) {
  ScriptedModel model([&](const engine::RunRequest& run, std::vector<tensor::Tensor>* outputs) {
    EXPECT_EQ(run.input_signatures.size(), 1u);
    EXPECT_EQ(run.output_signatures.size(), 1u);
    EXPECT_EQ(run.input_signatures[0], run.signature);
    return ScriptedModel::Echo(run, outputs);
  });
  PredictRequest request = model.NewRequest();
  request.input_signatures = request.output_signatures = {request.signature};
  EXPECT_TRUE(Predict(model, {}, std::move(request)).ok());
  EXPECT_EQ(model.runs, 1);
}

TEST_F(EnginePredictorTest, PassesTheEnginesErrorOnUnchanged) {
  ScriptedModel model([](const auto&, auto*) {
    return absl::InvalidArgumentError("Matrix size-incompatible\n\t [[{{node y}}]]");
  });
  EXPECT_EQ(Predict(model, {}, model.NewRequest()).status(),
            absl::InvalidArgumentError("Matrix size-incompatible\n\t [[{{node y}}]]"));
}

TEST_F(EnginePredictorTest, AnswersUnknownWhenTheEngineReturnsTheWrongNumberOfOutputs) {
  ScriptedModel model([](const auto&, auto* outputs) {
    outputs->clear();
    return absl::OkStatus();
  });
  EXPECT_EQ(Predict(model, {}, model.NewRequest()).status(),
            absl::UnknownError("Predict internal error"));
}

TEST_F(EnginePredictorTest, DoesNotRunWhatNobodyWaitsFor) {
  ScriptedModel model;
  CallContext late;
  late.deadline = clock_.Now();
  EXPECT_EQ(Predict(model, late, model.NewRequest()).status(),
            absl::DeadlineExceededError("Timed out waiting for notification"));
  CallContext cancelled;
  cancelled.cancellation = std::make_shared<Cancellation>();
  cancelled.cancellation->Cancel();
  EXPECT_EQ(Predict(model, cancelled, model.NewRequest()).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_EQ(model.runs, 0);
}

TEST_F(EnginePredictorTest, NeverWaitsForAnInstanceOnALoopThread) {
  Gate gate;
  ScriptedModel model(
      [&](const auto& run, auto* outputs) {
        gate.Pass();
        return ScriptedModel::Echo(run, outputs);
      },
      1);
  EnginePredictor predictor({.clock = &clock_}, &model);
  std::thread engine_thread([&] { EXPECT_TRUE(Predict(predictor, {}, model.NewRequest()).ok()); });
  gate.WaitForArrivals(1);
  CallContext on_loop;
  on_loop.may_run_inline = true;
  EXPECT_EQ(Predict(predictor, on_loop, model.NewRequest()).status().code(),
            absl::StatusCode::kUnavailable);
  gate.Open();
  engine_thread.join();
}

TEST_F(EnginePredictorTest, PreparesInstancesUpToTheModelsLimit) {
  ScriptedModel model(ScriptedModel::Echo, 3);
  EnginePredictor predictor({}, &model);
  EXPECT_TRUE(predictor.Prepare(2).ok());
  EXPECT_EQ(model.instances, 2);
  EXPECT_TRUE(predictor.Prepare(5).ok());
  EXPECT_EQ(model.instances, 3);
  model.fail_instances = 1;
  EnginePredictor other({}, &model);
  EXPECT_EQ(other.Prepare(1).code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace baton::predict
