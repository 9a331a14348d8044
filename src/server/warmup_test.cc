#include "server/warmup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/strings.h"
#include "predict/engine_predictor.h"
#include "predict/scripted_engine.h"
#include "storage/crc32c.h"
#include "storage/tfrecord.h"
#include "tensorflow_serving/apis/prediction_log.pb.h"

namespace baton::server {
namespace {

namespace fs = std::filesystem;
namespace tfs = tensorflow::serving;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Framed(std::string_view record) {
  const storage::TfRecordHeader header = storage::MakeTfRecordHeader(record.size());
  const storage::TfRecordFooter footer = storage::MakeTfRecordFooter(storage::Crc32c(record));
  return base::StrCat(std::string_view(header.data(), header.size()), record,
                      std::string_view(footer.data(), footer.size()));
}

// A call of the scripted model's one signature.
tfs::PredictionLog PredictLog(float x, const std::string& signature = "") {
  tfs::PredictionLog log;
  tfs::PredictRequest& request = *log.mutable_predict_log()->mutable_request();
  request.mutable_model_spec()->set_name("recorded");
  request.mutable_model_spec()->mutable_version()->set_value(99);
  request.mutable_model_spec()->set_signature_name(signature);
  tensorflow::TensorProto& tensor = (*request.mutable_inputs())["x"];
  tensor.set_dtype(tensorflow::DT_FLOAT);
  tensor.mutable_tensor_shape()->add_dim()->set_size(1);
  tensor.add_float_val(x);
  return log;
}

std::string Record(const tfs::PredictionLog& log) { return Framed(log.SerializeAsString()); }

// One string vector of Examples in, one float of each out.
engine::Signature RegressSignature() {
  engine::Signature signature;
  signature.name = "regress";
  signature.method_name = "tensorflow/serving/regress";
  signature.inputs = {{"inputs", "examples:0", tensor::DType::kString, {false, {-1}}, false}};
  signature.outputs = {{"outputs", "values:0", tensor::DType::kFloat, {false, {-1, 1}}, false}};
  return signature;
}

class WarmupTest : public ::testing::Test {
 protected:
  WarmupTest() {
    std::string name = ::testing::TempDir() + "warmup-XXXXXX";
    folder_ = mkdtemp(name.data());
    fs::create_directories(folder_ + "/assets.extra");
  }
  ~WarmupTest() override { fs::remove_all(folder_); }

  std::string path() const { return folder_ + "/assets.extra/tf_serving_warmup_requests"; }
  void Write(const std::string& file) { std::ofstream(path(), std::ios::binary) << file; }

  absl::Status Run(const WarmupOptions& options = {}) {
    engine::Signature odd = predict::ScriptedModel::FloatSignature("odd");
    odd.method_name = "other";
    predict::ScriptedModel model(
        [this](const engine::RunRequest& run, std::vector<tensor::Tensor>* outputs) {
          return OnRun(run, outputs);
        },
        0, {predict::ScriptedModel::FloatSignature("serving_default"), RegressSignature(), odd});
    predict::EnginePredictor predictor({}, &model);
    return WarmUp(options, folder_,
                  {.model = &model,
                   .predictor = &predictor,
                   .cancellation = cancellation_,
                   .metrics = &metrics_,
                   .check_method_name = check_method_name_});
  }
  absl::Status RunOver(const std::string& file, const WarmupOptions& options = {}) {
    Write(file);
    return Run(options);
  }
  absl::Status OnRun(const engine::RunRequest& run, std::vector<tensor::Tensor>* outputs) {
    base::MutexLock lock(mutex_);
    if (run.inputs[0].dtype() == tensor::DType::kString) {
      const auto examples = static_cast<size_t>(run.inputs[0].num_elements());
      examples_ += examples;
      const std::vector<float> values(examples, 0.5f);
      *outputs = {tensor::Tensor::FromValues<float>(tensor::DType::kFloat,
                                                    {static_cast<int64_t>(examples), 1}, values)};
      return absl::OkStatus();
    }
    const float x = run.inputs[0].values<float>()[0];
    seen_.push_back(x);
    if (on_run_) on_run_();
    if (x < 0) return absl::InternalError("the graph failed");
    return predict::ScriptedModel::Echo(run, outputs);
  }
  std::string Metrics() const { return metrics_.Text(""); }

  std::string folder_;
  metrics::ServingMetrics metrics_;
  const std::shared_ptr<predict::Cancellation> cancellation_ =
      std::make_shared<predict::Cancellation>();
  bool check_method_name_ = false;
  base::Mutex mutex_;
  std::function<void()> on_run_;
  std::vector<float> seen_;
  size_t examples_ = 0;
};

TEST_F(WarmupTest, ReplaysTheRecordsInTheirOrder) {
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(RunOver(Record(PredictLog(1)) + Record(PredictLog(2, "serving_default"))),
            absl::OkStatus());
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(seen_, ElementsAre(1, 2));
  EXPECT_THAT(log, HasSubstr("Starting to read warmup data for model at " + path() +
                             " with model-warmup-options \n"));
  EXPECT_THAT(log, HasSubstr("Finished reading warmup data for model at " + path() +
                             ". Number of warmup records read: 2. Elapsed time (microseconds): "));
}

TEST_F(WarmupTest, CountsWhatItDid) {
  EXPECT_EQ(RunOver(Record(PredictLog(1)) + Record(PredictLog(2)), {.iterations = 3}),
            absl::OkStatus());
  EXPECT_EQ(RunOver(Record(PredictLog(-1))).code(), absl::StatusCode::kInternal);
  const std::string labels = "{model_path=\"" + folder_ + "\",status=\"";
  EXPECT_THAT(Metrics(), HasSubstr("model_warmup_records_read" + labels + "OK\"} 2\n"));
  EXPECT_THAT(Metrics(), HasSubstr("model_warmup_records_read" + labels + "INTERNAL\"} 1\n"));
  EXPECT_THAT(Metrics(), HasSubstr("model_warmup_latency_count" + labels + "OK\"} 1\n"));
  EXPECT_THAT(Metrics(), HasSubstr("model_warmup_latency_count" + labels + "INTERNAL\"} 1\n"));
  EXPECT_THAT(Metrics(), HasSubstr("runtime_latency_count{model_name=\"recorded\",API=\"Predict\","
                                   "runtime=\"TF1\"} 6\n"));
}

TEST_F(WarmupTest, RepeatsEveryRecord) {
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(RunOver(Record(PredictLog(1)) + Record(PredictLog(2)), {.iterations = 2}),
            absl::OkStatus());
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("model-warmup-options num_request_iterations { value: 2 }"));
  EXPECT_THAT(seen_, ElementsAre(1, 1, 2, 2));
  seen_.clear();
  EXPECT_EQ(RunOver(Record(PredictLog(1)), {.iterations = -5, .threads = -5}), absl::OkStatus());
  EXPECT_THAT(seen_, ElementsAre(1));
}

TEST_F(WarmupTest, SeveralThreadsShareTheRecords) {
  std::string file;
  for (int i = 0; i < 200; ++i) file += Record(PredictLog(static_cast<float>(i)));
  EXPECT_EQ(RunOver(file, {.threads = 4}), absl::OkStatus());
  EXPECT_EQ(seen_.size(), 200u);
  EXPECT_EQ(RunOver(file + Record(PredictLog(-1)) + file, {.threads = 4}),
            absl::InternalError("the graph failed"));
}

TEST_F(WarmupTest, IsOptional) {
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(Run(), absl::OkStatus());
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("No warmup data file found at " + path()));
  EXPECT_EQ(RunOver(""), absl::OkStatus());
}

TEST_F(WarmupTest, ReplaysEveryKindThatHasARequestOverTensorsOrExamples) {
  tfs::PredictionLog regress;
  tfs::RegressionRequest& request = *regress.mutable_regress_log()->mutable_request();
  request.mutable_model_spec()->set_name("recorded");
  request.mutable_model_spec()->set_signature_name("regress");
  for (int i = 0; i < 3; ++i) request.mutable_input()->mutable_example_list()->add_examples();
  tfs::PredictionLog multi;
  tfs::InferenceTask& task = *multi.mutable_multi_inference_log()->mutable_request()->add_tasks();
  *task.mutable_model_spec() = request.model_spec();
  task.set_method_name("tensorflow/serving/regress");
  *multi.mutable_multi_inference_log()->mutable_request()->mutable_input() = request.input();
  tfs::PredictionLog none;
  none.mutable_log_metadata()->set_timestamp_secs(1);
  EXPECT_EQ(
      RunOver(Record(regress) + Record(multi) + Record(none) + Framed("") + Record(PredictLog(1))),
      absl::OkStatus());
  EXPECT_EQ(examples_, 6u);
  EXPECT_THAT(seen_, ElementsAre(1));
  EXPECT_THAT(Metrics(), HasSubstr("runtime_latency_count{model_name=\"recorded\",API=\"Regress\","
                                   "runtime=\"TF1\"} 1\n"));

  // No signature of this model classifies.
  tfs::PredictionLog classify;
  *classify.mutable_classify_log()->mutable_request()->mutable_input() = request.input();
  EXPECT_THAT(RunOver(Record(classify)).ToString(), HasSubstr("INVALID_ARGUMENT: "));
}

TEST_F(WarmupTest, HonoursTheOutputFilter) {
  tfs::PredictionLog log = PredictLog(1);
  log.mutable_predict_log()->mutable_request()->add_output_filter("y");
  EXPECT_EQ(RunOver(Record(log)), absl::OkStatus());
  log.mutable_predict_log()->mutable_request()->add_output_filter("z");
  EXPECT_EQ(RunOver(Record(log)).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(WarmupTest, FailsAsAClientWouldOrSaysWhatIsWrongWithTheFile) {
  const auto with_input = [](const std::string& name, tensorflow::DataType dtype) {
    tfs::PredictionLog log = PredictLog(1);
    auto& inputs = *log.mutable_predict_log()->mutable_request()->mutable_inputs();
    tensorflow::TensorProto tensor = inputs["x"];
    if (dtype != tensorflow::DT_FLOAT) tensor.add_int_val(1);
    tensor.set_dtype(dtype);
    inputs.clear();
    inputs[name] = tensor;
    return Record(log);
  };
  tfs::PredictionLog session_run;
  session_run.mutable_session_run_log();
  tfs::PredictionLog streamed;
  streamed.mutable_predict_streamed_log();
  const std::string good = Record(PredictLog(1));
  const struct {
    std::string file;
    std::string error;
  } rows[] = {
      {Record(session_run), "UNIMPLEMENTED: Unsupported log_type for warmup: 5"},
      {Record(streamed), "UNIMPLEMENTED: Unsupported log_type for warmup: 7"},
      {good + Record(PredictLog(1, "zz")),
       "FAILED_PRECONDITION: Serving signature key \"zz\" not found."},
      {with_input("z", tensorflow::DT_FLOAT),
       "INVALID_ARGUMENT: Signature input alias: x(feed name: x:0) not found in request and no "
       "default value provided. Inputs expected to be in the request {z}, or default input alias "
       "set: "},
      {with_input("x", tensorflow::DT_INT32),
       "INVALID_ARGUMENT: Expects arg[0] to be float but int32 is provided"},
      {Record(PredictLog(-1)), "INTERNAL: the graph failed"},
      {Framed("\xff\xff\xff"),
       "INVALID_ARGUMENT: Failed to parse warmup record: \xff\xff\xff from " + path()},
      {Framed(std::string(2000, '\xff')), "INVALID_ARGUMENT: Failed to parse warmup record: " +
                                              std::string(1024, '\xff') + " from " + path()},
      {"this is not a TFRecord file",
       "DATA_LOSS: corrupted record at 0 (Is this even a TFRecord file?). Please verify your "
       "warmup data is in TFRecord format."},
      {good.substr(0, good.size() - 1),
       "DATA_LOSS: truncated record at 0' failed with Read less bytes than requested. Please "
       "verify your warmup data is in TFRecord format."},
  };
  for (const auto& row : rows) EXPECT_EQ(RunOver(row.file).ToString(), row.error);
}

TEST_F(WarmupTest, ChecksMethodNamesWhereTheServerDoes) {
  const std::string odd = Record(PredictLog(1, "odd"));
  EXPECT_EQ(RunOver(odd), absl::OkStatus());
  check_method_name_ = true;
  EXPECT_EQ(RunOver(Record(PredictLog(1))), absl::OkStatus());
  EXPECT_EQ(RunOver(odd).code(), absl::StatusCode::kInternal);
}

TEST_F(WarmupTest, RefusesMoreThanAThousandRecordsButRunsOneMore) {
  std::string file;
  for (int i = 0; i < 1000; ++i) file += Record(PredictLog(1));
  EXPECT_EQ(RunOver(file), absl::OkStatus());
  EXPECT_EQ(seen_.size(), 1000u);
  seen_.clear();
  file += Record(PredictLog(1)) + Record(PredictLog(1));
  EXPECT_EQ(RunOver(file), absl::InvalidArgumentError(base::StrCat(
                               "Number of warmup records exceeds the maximum (1000) at ", path())));
  EXPECT_EQ(seen_.size(), 1001u);
}

TEST_F(WarmupTest, SaysSoWhenTheFileIsCutInAHeader) {
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(RunOver(Record(PredictLog(1)) + "abc"), absl::OkStatus());
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr(path() + " ends with 3 bytes that are no record"));
}

TEST_F(WarmupTest, EndsWhenTheLoadIsCancelled) {
  on_run_ = [this] { cancellation_->Cancel(); };
  EXPECT_EQ(RunOver(Record(PredictLog(1)) + Record(PredictLog(2)), {.iterations = 5}).code(),
            absl::StatusCode::kCancelled);
  EXPECT_THAT(seen_, ElementsAre(1));
}

}  // namespace
}  // namespace baton::server
