#include "codec/grpc/log_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "predict/scripted_engine.h"
#include "tensorflow_serving/apis/prediction_log.pb.h"

namespace baton::codec::grpc {
namespace {

using ::testing::ElementsAre;
namespace tfs = tensorflow::serving;

std::string Joined(const std::vector<base::Buffer>& pieces) {
  std::string bytes;
  for (const base::Buffer& piece : pieces) bytes += piece.view();
  return bytes;
}

// A field of bytes, as protobuf writes it. REQUIRES: short.
std::string Field(int number, const std::string& bytes) {
  return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} + bytes;
}

tfs::PredictRequest SomeRequest() {
  tfs::PredictRequest request;
  request.mutable_model_spec()->set_name("m");
  request.mutable_model_spec()->set_signature_name("s");
  tensorflow::TensorProto& x = (*request.mutable_inputs())["x"];
  x.set_dtype(tensorflow::DT_FLOAT);
  x.add_float_val(2.5f);
  request.add_output_filter("y");
  return request;
}

class LogCodecTest : public ::testing::Test {
 protected:
  reqlog::Logger NewLogger(reqlog::LoggingConfig config = {}, reqlog::Task task = {}) {
    return {"m", std::move(config), std::move(task), {"serve", "gpu"}, nullptr, queue_};
  }

  const std::shared_ptr<reqlog::LogQueue> queue_ =
      std::make_shared<reqlog::LogQueue>(reqlog::LogQueue::Options{}, nullptr, nullptr);
  const lifecycle::ServableId id_{"m", 7};
};

TEST_F(LogCodecTest, ALogIsThePredictionLogOfTheCall) {
  const tfs::PredictRequest request = SomeRequest();
  tfs::PredictResponse response;
  (*response.mutable_outputs())["y"].add_float_val(3.5f);
  const std::string answer = response.SerializeAsString();
  const base::Buffer question = base::Buffer::FromString(request.SerializeAsString());
  const reqlog::Logger logger = NewLogger(
      {.sampling_rate = 0.5,
       .attributes = 2,
       .per_task = {{.dc = "oslo", .task_index = 0, .sampling_rate = 0.25}, {.sampling_rate = 1}}},
      {.dc = "oslo", .index = 3});
  // The framing ends within the second piece, and one piece is empty.
  for (const size_t cut : {size_t{1}, size_t{5}, answer.size()}) {
    const std::string framed = "12345" + answer;
    const std::vector<base::Buffer> pieces = {
        base::Buffer::Copy(framed.substr(0, 3)), base::Buffer::Copy(framed.substr(3, cut)),
        base::Buffer(), base::Buffer::Copy(framed.substr(3 + cut))};
    const std::vector<base::Buffer> log = EncodePredictionLog({.type = LogType::kPredict,
                                                               .id = id_,
                                                               .signature_name = "s",
                                                               .request = question,
                                                               .response = pieces,
                                                               .prefix_bytes = 5},
                                                              logger, absl::FromUnixSeconds(1700));
    tfs::PredictionLog proto;
    ASSERT_TRUE(proto.ParseFromString(Joined(log)));
    EXPECT_EQ(proto.predict_log().request().SerializeAsString(), request.SerializeAsString());
    EXPECT_EQ(proto.predict_log().response().SerializeAsString(), answer);
    const tfs::LogMetadata& metadata = proto.log_metadata();
    EXPECT_EQ(metadata.model_spec().name(), "m");
    EXPECT_EQ(metadata.model_spec().version().value(), 7);
    EXPECT_EQ(metadata.model_spec().signature_name(), "s");
    EXPECT_THAT(metadata.saved_model_tags(), ElementsAre("serve", "gpu"));
    EXPECT_EQ(metadata.timestamp_secs(), 1700);
    EXPECT_EQ(metadata.dc(), "oslo");
    const tfs::SamplingConfig& sampling = metadata.sampling_config();
    EXPECT_EQ(sampling.sampling_rate(), 0.5);
    EXPECT_EQ(sampling.attributes(), 2);
    ASSERT_EQ(sampling.per_task_sampling_configs_size(), 2);
    EXPECT_EQ(sampling.per_task_sampling_configs(0).dc(), "oslo");
    EXPECT_TRUE(sampling.per_task_sampling_configs(0).has_task_index());
    EXPECT_EQ(sampling.per_task_sampling_configs(0).sampling_rate(), 0.25);
    EXPECT_FALSE(sampling.per_task_sampling_configs(1).has_task_index());
  }
}

TEST_F(LogCodecTest, ALogSharesTheBytesOfTheCall) {
  const base::Buffer question = base::Buffer::Copy(SomeRequest().SerializeAsString());
  const std::vector<base::Buffer> answer = {base::Buffer::Copy("12345"), base::Buffer::Copy("")};
  const std::vector<base::Buffer> log = EncodePredictionLog({.type = LogType::kPredict,
                                                             .id = id_,
                                                             .signature_name = {},
                                                             .request = question,
                                                             .response = answer,
                                                             .prefix_bytes = 5},
                                                            NewLogger(), absl::Now());
  ASSERT_EQ(log.size(), 3u) << "head, request, head of an empty answer";
  EXPECT_EQ(log[1].data(), question.data());
}

TEST_F(LogCodecTest, EveryTypeLandsInItsField) {
  const base::Buffer empty;
  const std::vector<base::Buffer> nothing;
  for (const LogType type : {LogType::kClassify, LogType::kRegress, LogType::kMultiInference,
                             LogType::kSessionRun, LogType::kPredict}) {
    tfs::PredictionLog proto;
    ASSERT_TRUE(proto.ParseFromString(Joined(EncodePredictionLog(
        {.type = type, .id = id_, .signature_name = {}, .request = empty, .response = nothing},
        NewLogger(), absl::Now()))));
    EXPECT_EQ(static_cast<uint32_t>(proto.log_type_case()), static_cast<uint32_t>(type));
  }
}

TEST_F(LogCodecTest, WritesTheRequestThatTensorsCameFrom) {
  const predict::ScriptedModel model;
  const predict::PredictRequest request = model.NewRequest(engine::kDefaultSignature, 3);
  tfs::PredictRequest proto;
  for (const TensorEncoding encoding :
       {TensorEncoding::kTypedField, TensorEncoding::kTensorContent}) {
    ASSERT_TRUE(
        proto.ParseFromString(std::string(EncodePredictRequest(id_, request, encoding).view())));
    EXPECT_EQ(proto.model_spec().name(), "m");
    EXPECT_EQ(proto.model_spec().version().value(), 7);
    EXPECT_EQ(proto.model_spec().signature_name(), "serving_default");
    ASSERT_EQ(proto.inputs().size(), 1u);
    const tensorflow::TensorProto& x = proto.inputs().at("x");
    EXPECT_EQ(x.dtype(), tensorflow::DT_FLOAT);
    EXPECT_EQ(x.tensor_shape().dim(0).size(), 3);
    if (encoding == TensorEncoding::kTypedField) {
      EXPECT_THAT(x.float_val(), ElementsAre(1.5f, 1.5f, 1.5f));
    } else {
      EXPECT_EQ(x.tensor_content().size(), 12u);
    }
  }
}

TEST_F(LogCodecTest, WritesTheRequestThatExamplesCameFrom) {
  const std::string example = Field(1, "");
  const std::vector<std::string_view> examples = {example, ""};
  const base::Buffer bytes =
      EncodeExampleRequest(id_, "s", tensor::Tensor::FromStrings({2}, examples));
  tfs::ClassificationRequest proto;
  ASSERT_TRUE(proto.ParseFromString(std::string(bytes.view())));
  EXPECT_EQ(proto.model_spec().signature_name(), "s");
  ASSERT_EQ(proto.input().example_list().examples_size(), 2);
  EXPECT_TRUE(proto.input().example_list().examples(0).has_features());
  EXPECT_FALSE(proto.input().example_list().examples(1).has_features());
}

TEST_F(LogCodecTest, ReadsWhatIsReplayed) {
  const tfs::PredictRequest request = SomeRequest();
  tfs::PredictionLog log;
  log.mutable_log_metadata()->set_dc("oslo");
  *log.mutable_predict_log()->mutable_request() = request;
  log.mutable_predict_log()->mutable_response()->mutable_model_spec()->set_name("m");
  const base::Buffer record = base::Buffer::Copy(log.SerializeAsString());
  const auto view = ParsePredictionLog(record);
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->type, LogType::kPredict);
  EXPECT_EQ(view->request.view(), request.SerializeAsString());
  EXPECT_GE(view->request.data(), record.data()) << "not a copy";
  EXPECT_LE(view->request.data(), record.data() + record.size());
}

TEST_F(LogCodecTest, RepetitionsMeanWhatTheyMeanToProtobuf) {
  const std::string a = Field(1, Field(1, "a"));  // a request whose model_spec names "a"
  const std::string b = Field(1, Field(1, "b"));
  const auto request = [](const std::string& record) {
    const auto view = ParsePredictionLog(base::Buffer::Copy(record));
    if (!view.ok()) return view.status().ToString();
    return std::to_string(static_cast<int>(view->type)) + std::string(view->request.view());
  };
  EXPECT_EQ(request(""), "0");
  EXPECT_EQ(request(Field(1, "")), "0") << "metadata only";
  EXPECT_EQ(request(Field(6, "")), "6") << "no request";
  EXPECT_EQ(request(Field(6, Field(2, a))), "6") << "only a response";
  EXPECT_EQ(request(Field(6, Field(1, a) + Field(1, b))), "6" + a + b);
  EXPECT_EQ(request(Field(6, Field(1, a)) + Field(6, Field(1, b))), "6" + a + b);
  EXPECT_EQ(request(Field(6, Field(1, a)) + Field(2, Field(1, b))), "2" + b) << "the last choice";
  EXPECT_EQ(request(Field(6, Field(1, a)) + Field(2, "") + Field(6, "")), "6");
}

TEST_F(LogCodecTest, RefusesWhatIsNoPredictionLog) {
  const auto is_refused = [](const std::string& record) {
    return ParsePredictionLog(base::Buffer::Copy(record)).status() ==
           absl::InvalidArgumentError("the record is no PredictionLog");
  };
  EXPECT_TRUE(is_refused("\xff\xff\xff"));
  EXPECT_TRUE(is_refused("\x32\x05"));
  EXPECT_TRUE(is_refused(Field(6, "\xff")));
  const std::string bad_name = Field(1, Field(1, "\xff"));
  EXPECT_TRUE(is_refused(Field(6, Field(1, bad_name)))) << "a name that is not UTF-8";
  EXPECT_TRUE(is_refused(Field(6, Field(2, "\xff")))) << "the answer counts, too";
  EXPECT_TRUE(is_refused(Field(1, "\xff")));
}

}  // namespace
}  // namespace baton::codec::grpc
