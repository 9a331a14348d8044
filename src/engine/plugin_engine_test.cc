#include "engine/plugin_engine.h"

#include <array>
#include <cstddef>
#include <functional>
#include <limits>
#include <string>

#include "absl/time/clock.h"
#include "baton/engine_abi.h"
#include "engine/host_api.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::engine {
namespace {

using tensor::DType;
using tensor::Shape;
using tensor::Tensor;
using testing::ElementsAre;
using testing::HasSubstr;

// A plug-in in this process whose behaviour the test sets. It numbers signatures and ports against
// the alphabet.
struct Script {
  std::function<baton_status*(const baton_run&)> execute = [](const baton_run&) { return nullptr; };
  bool no_engine = false, no_model = false, no_instance = false, bad_description = false;
  int loaded = 0, unloaded = 0, instances = 0, freed = 0;
  std::vector<std::string> options;
};
Script* script = nullptr;

template <typename T>
T* Handle() {
  return reinterpret_cast<T*>(script);
}

const baton_model_description* Describe(baton_model*) {
  static const baton_port b = {sizeof(b), {"b", 1}, {"b:0", 3}, 1, -1, nullptr, 0, 0};
  static const baton_port a = {sizeof(a), {"a", 1}, {"a:0", 3}, 1, -1, nullptr, 0, 0};
  static const baton_port* ports[] = {&b, &a};
  static const baton_signature signature = {
      sizeof(signature), {"s", 1}, {"", 0}, ports, ports, 2, 2};
  static const baton_signature other = {sizeof(other), {"t", 1}, {"", 0}, ports, ports, 1, 1};
  static const baton_signature* signatures[] = {&other, &signature};
  static const baton_model_description good = {sizeof(good), signatures, 2, 0, 77, {nullptr, 0}};
  return script->bad_description ? nullptr : &good;
}

constexpr baton_engine_api kScripted = {
    .struct_size = sizeof(baton_engine_api),
    .abi_major = 1,
    .abi_minor = BATON_ENGINE_ABI_MINOR,
    .name = "scripted",
    .version = "1",
    .create = [](const baton_option* options, size_t count,
                 baton_engine** engine) -> baton_status* {
      for (size_t i = 0; i < count; ++i) script->options.emplace_back(options[i].value.data);
      if (!script->no_engine) *engine = Handle<baton_engine>();
      return nullptr;
    },
    .probe =
        [](baton_engine*, baton_str, baton_str* reason) {
          *reason = {"half", 4};
          return BATON_PROBE_MAYBE;
        },
    .estimate = [](baton_engine*, baton_str path, uint64_t* bytes) -> baton_status* {
      if (path.size == 0) return HostApi()->status_new(5, "gone", 4);
      *bytes = 12;
      return nullptr;
    },
    .load = [](baton_engine*, baton_str, const baton_option*, size_t,
               baton_model** model) -> baton_status* {
      if (script->no_model) return nullptr;
      ++script->loaded;
      *model = Handle<baton_model>();
      return nullptr;
    },
    .describe = Describe,
    .instance_new = [](baton_model*, baton_instance** instance) -> baton_status* {
      if (script->no_instance) return nullptr;
      ++script->instances;
      *instance = Handle<baton_instance>();
      return nullptr;
    },
    .execute = [](baton_instance*, const baton_run* run) { return script->execute(*run); },
    .instance_free = [](baton_instance*) { ++script->freed; },
    .unload = [](baton_model*) { ++script->unloaded; },
    .destroy = [](baton_engine*) {},
    .query = [](baton_engine*, baton_str what, const baton_option* options, size_t count,
                void* context, void (*give)(void*, const char*, size_t)) -> baton_status* {
      if (count == 0) return HostApi()->status_new(12, "what?", 5);
      give(context, what.data, what.size);
      give(context, nullptr, 7);
      give(context, options[0].value.data, options[0].value.size);
      return nullptr;
    },
};

class PluginEngineTest : public testing::Test {
 protected:
  void SetUp() override {
    script = &script_;
    engine_ = std::move(*NewPluginEngine(&kScripted, {}));
    model_ = std::move(*engine_->Load("path", {}));
    instance_ = std::move(*model_->NewInstance());
  }

  absl::Status Execute(std::vector<uint32_t> input_ports, std::vector<uint32_t> output_ports,
                       std::vector<Tensor>* outputs) {
    std::vector<Tensor> inputs;
    for (uint32_t port : input_ports) {
      const std::array<float, 1> values = {static_cast<float>(port)};
      inputs.push_back(Tensor::FromValues<float>(DType::kFloat, Shape({1}), values));
    }
    RunRequest run;
    run.signature = model_->signatures().Find("s");
    run.input_ports = input_ports;
    run.inputs = inputs;
    run.output_ports = output_ports;
    return instance_->Execute(run, outputs);
  }

  Script script_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Instance> instance_;
  std::vector<Tensor> outputs_;
};

TEST_F(PluginEngineTest, TranslatesTheHostsPortsToThePluginsNumbers) {
  std::vector<uint32_t> inputs, outputs;
  script_.execute = [&](const baton_run& run) -> baton_status* {
    inputs.assign(run.input_ports, run.input_ports + run.num_inputs);
    outputs.assign(run.output_ports, run.output_ports + run.num_outputs);
    EXPECT_EQ(run.threads, 1u);
    EXPECT_EQ(run.deadline_unix_nanos, std::numeric_limits<int64_t>::max());
    for (uint32_t i = 0; i < run.num_outputs; ++i) run.outputs[i] = *run.inputs[0];
    return nullptr;
  };
  ASSERT_EQ(model_->signatures().all()[0].inputs[0].name, "a");
  ASSERT_TRUE(Execute({0, 1}, {0}, &outputs_).ok());
  EXPECT_THAT(inputs, ElementsAre(1, 0));
  EXPECT_THAT(outputs, ElementsAre(1));
  EXPECT_EQ(outputs_[0].values<float>()[0], 0.0f);
}

TEST_F(PluginEngineTest, ARunOverSeveralSignaturesSaysWhichOneEachPortIsOf) {
  std::vector<uint32_t> inputs, outputs;
  script_.execute = [&](const baton_run& run) -> baton_status* {
    EXPECT_EQ(run.signature, 1u);
    inputs = {run.input_signatures[0], run.input_ports[0]};
    outputs = {run.output_signatures[0], run.output_ports[0], run.output_signatures[1],
               run.output_ports[1]};
    run.outputs[0] = run.outputs[1] = *run.inputs[0];
    return nullptr;
  };
  const Signature* s = model_->signatures().Find("s");
  const Signature* t = model_->signatures().Find("t");
  const std::array<Tensor, 1> values = {
      Tensor::FromValues<float>(DType::kFloat, Shape({1}), std::array<float, 1>{2.0f})};
  const std::array<uint32_t, 1> input_ports = {0};
  const std::array<uint32_t, 2> output_ports = {0, 0};
  const std::array<const Signature*, 1> input_signatures = {t};
  std::array<const Signature*, 2> output_signatures = {t, s};
  RunRequest run;
  run.signature = s;
  run.inputs = values;
  run.input_ports = input_ports;
  run.output_ports = output_ports;
  run.input_signatures = input_signatures;
  run.output_signatures = output_signatures;
  ASSERT_TRUE(instance_->Execute(run, &outputs_).ok());
  EXPECT_THAT(inputs, ElementsAre(0, 0));
  EXPECT_THAT(outputs, ElementsAre(0, 0, 1, 1));

  script_.execute = [](const baton_run&) -> baton_status* {
    ADD_FAILURE();
    return nullptr;
  };
  const std::array<uint32_t, 2> beyond = {1, 0};  // the other signature has one port
  run.output_ports = beyond;
  EXPECT_EQ(instance_->Execute(run, &outputs_).code(), absl::StatusCode::kInternal);
  run.output_ports = output_ports;
  output_signatures[1] = nullptr;
  EXPECT_EQ(instance_->Execute(run, &outputs_).code(), absl::StatusCode::kInternal);
  run.output_signatures = input_signatures;  // one for two ports
  EXPECT_EQ(instance_->Execute(run, &outputs_).code(), absl::StatusCode::kInternal);
}

TEST_F(PluginEngineTest, ErrorsOfTheEnginePassUnchanged) {
  script_.execute = [](const baton_run&) { return HostApi()->status_new(9, "not now", 7); };
  const absl::Status status = Execute({0}, {0}, &outputs_);
  EXPECT_EQ(status, absl::FailedPreconditionError("not now"));
  EXPECT_TRUE(outputs_.empty());
  EXPECT_EQ(engine_->EstimateMemory("").status(), absl::NotFoundError("gone"));
}

TEST_F(PluginEngineTest, AnOutputLeftEmptyIsAnErrorThatNamesEngineAndOutput) {
  const absl::Status status = Execute({0}, {0, 1}, &outputs_);
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("engine \"scripted\": bad tensor for output \"a\""));
}

TEST_F(PluginEngineTest, OutputsOfAFailedOrHalfBadRunAreReleased) {
  static int released;
  for (bool fail : {true, false}) {
    released = 0;
    script_.execute = [fail](const baton_run& run) -> baton_status* {
      run.outputs[0] = *run.inputs[0];
      run.outputs[0].release = [](void*) { ++released; };
      return fail ? HostApi()->status_new(13, "late", 4) : nullptr;  // output 1 stays empty
    };
    EXPECT_FALSE(Execute({0}, {0, 1}, &outputs_).ok());
    EXPECT_TRUE(outputs_.empty());
    EXPECT_EQ(released, 1) << fail;
  }
}

TEST_F(PluginEngineTest, OutputsMayOutliveInstanceAndModel) {
  static int released;
  released = 0;
  script_.execute = [](const baton_run& run) -> baton_status* {
    run.outputs[0] = *run.inputs[0];
    run.outputs[0].release = [](void*) { ++released; };
    return nullptr;
  };
  ASSERT_TRUE(Execute({1}, {0}, &outputs_).ok());
  instance_.reset();
  model_.reset();
  EXPECT_EQ(script_.freed, 1);
  EXPECT_EQ(script_.unloaded, 1);
  EXPECT_EQ(outputs_[0].values<float>()[0], 1.0f);
  EXPECT_EQ(released, 0);
  outputs_.clear();
  EXPECT_EQ(released, 1);
}

TEST_F(PluginEngineTest, ARequestOfAnotherModelIsRefusedBeforeTheEngineSeesIt) {
  script_.execute = [](const baton_run&) -> baton_status* {
    ADD_FAILURE();
    return nullptr;
  };
  EXPECT_EQ(Execute({5}, {0}, &outputs_).code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Execute({0}, {2}, &outputs_).code(), absl::StatusCode::kInternal);
  EXPECT_EQ(instance_->Execute(RunRequest(), &outputs_).code(), absl::StatusCode::kInternal);
}

TEST_F(PluginEngineTest, DeadlineThreadsAndCancellationReachTheEngine) {
  const absl::Time deadline = absl::UnixEpoch() + absl::Seconds(7);
  const volatile int cancelled = 1;
  script_.execute = [&](const baton_run& run) -> baton_status* {
    EXPECT_EQ(run.deadline_unix_nanos, 7'000'000'000);
    EXPECT_EQ(run.threads, 3u);
    EXPECT_EQ(run.cancelled, &cancelled);
    return nullptr;
  };
  RunRequest run;
  run.signature = model_->signatures().Find("s");
  run.deadline = deadline;
  run.threads = 3;
  run.cancelled = &cancelled;
  EXPECT_TRUE(instance_->Execute(run, &outputs_).ok());
}

TEST_F(PluginEngineTest, ABrokenDescriptionUnloadsTheModel) {
  script_.bad_description = true;
  const absl::Status status = engine_->Load("path", {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("engine \"scripted\""));
  EXPECT_EQ(script_.loaded, 2);
  EXPECT_EQ(script_.unloaded, 1);
}

TEST_F(PluginEngineTest, SuccessWithoutAnObjectIsAnError) {
  script_.no_instance = script_.no_model = script_.no_engine = true;
  EXPECT_EQ(model_->NewInstance().status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(engine_->Load("path", {}).status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(NewPluginEngine(&kScripted, {}).status().code(), absl::StatusCode::kInternal);
}

TEST_F(PluginEngineTest, OptionsProbeAndEstimatePassThrough) {
  ASSERT_TRUE(NewPluginEngine(&kScripted, {{"key", "value"}}).ok());
  EXPECT_THAT(script_.options, ElementsAre("value"));
  std::string reason;
  EXPECT_EQ(engine_->Probe("p", &reason), ProbeResult::kMaybe);
  EXPECT_EQ(reason, "half");
  EXPECT_EQ(*engine_->EstimateMemory("p"), 12u);
  EXPECT_EQ(model_->memory_bytes(), 77u);
}

TEST_F(PluginEngineTest, AQueryIsAnsweredWithThePiecesThatThePluginGives) {
  EXPECT_EQ(*engine_->Query("time ", {{"zone", "UTC"}}), "time UTC");
  EXPECT_EQ(engine_->Query("time", {}).status(), absl::UnimplementedError("what?"));
}

TEST_F(PluginEngineTest, APluginWithoutQueriesAnswersNone) {
  const absl::Status none =
      absl::UnimplementedError("engine \"scripted\" has no answer to \"metrics\"");
  baton_engine_api without = kScripted;
  without.query = nullptr;
  EXPECT_EQ((*NewPluginEngine(&without, {}))->Query("metrics", {}).status(), none);
  baton_engine_api old = kScripted;
  old.struct_size = offsetof(baton_engine_api, query);
  EXPECT_EQ((*NewPluginEngine(&old, {}))->Query("metrics", {}).status(), none);
}

}  // namespace
}  // namespace baton::engine
