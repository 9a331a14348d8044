#include "codec/grpc/model_codec.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/strings.h"
#include "codec/grpc/proto_json.h"
#include "tensorflow_serving/apis/get_model_metadata.pb.h"
#include "tensorflow_serving/apis/get_model_status.pb.h"
#include "tensorflow_serving/apis/model_management.pb.h"

namespace baton::codec::grpc {
namespace {

using lifecycle::VersionState;
using lifecycle::VersionStatus;
using tensor::DType;
namespace tfs = tensorflow::serving;

template <typename Message>
Message FromText(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

class FakeModel : public engine::Model {
 public:
  explicit FakeModel(std::vector<engine::Signature> signatures, std::string map = "")
      : table_(std::move(signatures)), map_(std::move(map)) {}
  const engine::SignatureTable& signatures() const override { return table_; }
  uint64_t memory_bytes() const override { return 0; }
  uint32_t max_instances() const override { return 0; }
  std::string_view signature_def_map() const override { return map_; }
  absl::StatusOr<std::unique_ptr<engine::Instance>> NewInstance() override {
    return absl::UnimplementedError("not asked for");
  }

 private:
  engine::SignatureTable table_;
  std::string map_;
};

// half_plus_two's default signature, with a scalar and an output of any rank added.
std::vector<engine::Signature> MakeSignatures() {
  engine::Signature signature;
  signature.name = "serving_default";
  signature.method_name = "tensorflow/serving/predict";
  signature.inputs = {
      {.name = "x", .tensor_name = "x:0", .dtype = DType::kFloat, .shape = {false, {-1, 1}}}};
  signature.outputs = {
      {.name = "y", .tensor_name = "y:0", .dtype = DType::kInt64, .shape = {false, {}}},
      {.name = "any", .tensor_name = "z:0", .dtype = DType::kString, .shape = {true, {}}}};
  return {signature};
}

// The layout of contract §4.8, byte for byte.
constexpr char kMetadataJson[] = R"({
"model_spec":{
 "name": "half_plus_two",
 "version": "123",
 "signature_name": ""
}
,
"metadata": {"signature_def": {
 "signature_def": {
  "serving_default": {
   "inputs": {
    "x": {
     "name": "x:0",
     "dtype": "DT_FLOAT",
     "tensor_shape": {
      "dim": [
       {
        "size": "-1",
        "name": ""
       },
       {
        "size": "1",
        "name": ""
       }
      ],
      "unknown_rank": false
     }
    }
   },
   "outputs": {
    "any": {
     "name": "z:0",
     "dtype": "DT_STRING",
     "tensor_shape": {
      "dim": [],
      "unknown_rank": true
     }
    },
    "y": {
     "name": "y:0",
     "dtype": "DT_INT64",
     "tensor_shape": {
      "dim": [],
      "unknown_rank": false
     }
    }
   },
   "method_name": "tensorflow/serving/predict",
   "defaults": {}
  }
 }
}
}
}
)";

TEST(MetadataTest, PrintsTheRestDocument) {
  EXPECT_EQ(*MetadataJson({"half_plus_two", 123}, FakeModel(MakeSignatures())), kMetadataJson);
}

TEST(MetadataTest, PrintsAModelWithoutSignatures) {
  EXPECT_EQ(*MetadataJson({"nosig", 1}, FakeModel({})),
            "{\n\"model_spec\":{\n \"name\": \"nosig\",\n \"version\": \"1\",\n "
            "\"signature_name\": \"\"\n}\n,\n"
            "\"metadata\": {\"signature_def\": {\n \"signature_def\": {}\n}\n}\n}\n");
}

constexpr char kRichMap[] = R"(
  signature_def {
    key: 's'
    value {
      inputs { key: 'dense' value { name: 'd:0' dtype: DT_FLOAT tensor_shape { dim { size: 2 name: 'rows' } } } }
      inputs { key: 'sparse' value { coo_sparse { values_tensor_name: 'v:0' indices_tensor_name: 'i:0' } } }
      inputs {
        key: 'ragged'
        value {
          composite_tensor {
            type_spec {
              type_spec_class: RAGGED_TENSOR_SPEC
              type_state { tuple_value { values { none_value {} } values { int64_value: -4 } values { float64_value: 0.1 } } }
            }
            components { name: 'r:0' dtype: DT_INT64 }
          }
        }
      }
      defaults { key: 'dense' value { dtype: DT_FLOAT tensor_shape {} float_val: 2.5 tensor_content: '\377' } }
    }
  }
)";

TEST(MetadataTest, TakesTheEnginesOwnMapAsItIs) {
  const std::string map = FromText<tfs::SignatureDefMap>(kRichMap).SerializeAsString();
  const FakeModel model(MakeSignatures(), map);
  tfs::GetModelMetadataResponse response;
  ASSERT_TRUE(response.ParseFromString(*EncodeMetadataResponse({"m", 4}, model)));
  EXPECT_EQ(response.model_spec().ShortDebugString(), "name: \"m\" version { value: 4 }");
  ASSERT_EQ(response.metadata_size(), 1);
  const google::protobuf::Any& any = response.metadata().at("signature_def");
  EXPECT_EQ(any.type_url(), "type.googleapis.com/tensorflow.serving.SignatureDefMap");
  EXPECT_EQ(any.value(), map);
}

TEST(MetadataTest, MakesAMapFromThePortsWhenTheEngineHasNone) {
  tfs::GetModelMetadataResponse response;
  ASSERT_TRUE(
      response.ParseFromString(*EncodeMetadataResponse({"m", 0}, FakeModel(MakeSignatures()))));
  EXPECT_TRUE(response.model_spec().has_version());
  tfs::SignatureDefMap map;
  ASSERT_TRUE(response.metadata().at("signature_def").UnpackTo(&map));
  const auto& def = map.signature_def().at("serving_default");
  EXPECT_EQ(def.inputs().at("x").ShortDebugString(),
            "name: \"x:0\" dtype: DT_FLOAT tensor_shape { dim { size: -1 } dim { size: 1 } }");
  EXPECT_TRUE(def.outputs().at("any").tensor_shape().unknown_rank());
  EXPECT_EQ(def.method_name(), "tensorflow/serving/predict");
}

TEST(MetadataTest, RefusesAMapThatIsNone) {
  EXPECT_EQ(MetadataJson({"m", 1}, FakeModel({}, "\x0a\x05")).status().code(),
            absl::StatusCode::kInternal);
}

TEST(MetadataTest, ReadsRequests) {
  const auto request =
      ParseMetadataRequest(FromText<tfs::GetModelMetadataRequest>(
                               "model_spec { name: 'm' version { value: 0 } signature_name: 's' } "
                               "metadata_field: ['signature_def', 'zz']")
                               .SerializeAsString());
  ASSERT_TRUE(request.ok());
  const predict::ModelSpec spec = request->spec->view();
  EXPECT_EQ(spec.name, "m");
  EXPECT_EQ(spec.version, 0);
  EXPECT_FALSE(spec.label);
  EXPECT_EQ(spec.signature_name, "s");
  EXPECT_THAT(request->fields, testing::ElementsAre("signature_def", "zz"));
  EXPECT_FALSE(ParseMetadataRequest("")->spec.has_value());
  EXPECT_EQ(ParseMetadataRequest("\x0a\x05").status().code(), absl::StatusCode::kInvalidArgument);
}

// --- JSON ---

TEST(ProtoJsonTest, SaysWhatProtobufsOwnPrinterSays) {
  const auto message = FromText<tfs::SignatureDefMap>(kRichMap);
  const std::string json = ProtoJson(message);
  tfs::SignatureDefMap back;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(json, &back).ok()) << json;
  EXPECT_EQ(back.DebugString(), message.DebugString());
  EXPECT_THAT(json, testing::HasSubstr("\"none_value\": {}"));
  EXPECT_THAT(json, testing::HasSubstr("\"int64_value\": \"-4\""));
  EXPECT_THAT(json, testing::HasSubstr("\"float64_value\": 0.1\n"));
  EXPECT_THAT(json, testing::HasSubstr("\"tensor_content\": \"/w==\""));
}

TEST(ProtoJsonTest, WritesNumbersLikeProtobuf) {
  tensorflow::TensorProto proto;
  for (const float v : {0.f, -0.f, 1.f, 0.1f, 1e20f, 1.17549e-38f, 16777217.f})
    proto.add_float_val(v);
  for (const double v : {0.1, 1e300, 1. / 3, 123456789012345678.}) proto.add_double_val(v);
  proto.add_double_val(std::numeric_limits<double>::infinity());
  proto.add_double_val(-std::numeric_limits<double>::infinity());
  proto.add_double_val(std::numeric_limits<double>::quiet_NaN());
  proto.add_uint64_val(std::numeric_limits<uint64_t>::max());
  proto.add_bool_val(true);
  proto.set_dtype(static_cast<tensorflow::DataType>(77));
  const std::string json = ProtoJson(proto);
  for (const char* piece :
       {"\"dtype\": 77,", "\n  0,", "\n  -0,", "\n  1,", "\n  0.1,", "\n  1e+20,", "\n  16777216\n",
        "\n  1e+300,", "\n  0.33333333333333331,", "\n  1.2345678901234568e+17,",
        "\n  \"Infinity\",", "\n  \"-Infinity\",", "\n  \"NaN\"\n",
        "\n  \"18446744073709551615\"\n", "\n  true\n"}) {
    EXPECT_THAT(json, testing::HasSubstr(piece));
  }
}

TEST(ProtoJsonTest, EscapesWhatABrowserCouldMistake) {
  const struct {
    std::string text;
    std::string json;
  } kCases[] = {
      {"plain / 'text'", "plain / 'text'"},
      {"a\"b\\c", "a\\\"b\\\\c"},
      {"\b\f\n\r\t\x01\x7f", "\\b\\f\\n\\r\\t\\u0001\\u007f"},
      {"Name: <unknown>", "Name: \\u003cunknown\\u003e"},
      {"caf\xc3\xa9 \xf0\x9f\x98\x80", "caf\xc3\xa9 \xf0\x9f\x98\x80"},
      {"\xe2\x80\xa8\xef\xbb\xbf", "\\u2028\\ufeff"},
      {"\xf3\xa0\x80\x81", "\\udb40\\udc01"},
  };
  for (const auto& c : kCases) {
    tfs::StatusProto status;
    status.set_error_message(c.text);
    EXPECT_EQ(ProtoJson(status), base::StrCat("{\n \"error_code\": \"OK\",\n \"error_message\": \"",
                                              c.json, "\"\n}\n"));
  }
}

// --- status ---

TEST(StatusTest, PrintsTheRestDocument) {
  EXPECT_EQ(StatusJson({{7, VersionState::kEnd, absl::NotFoundError("gone")},
                        {6, VersionState::kAvailable, {}}}),
            R"({
 "model_version_status": [
  {
   "version": "7",
   "state": "END",
   "status": {
    "error_code": "NOT_FOUND",
    "error_message": "gone"
   }
  },
  {
   "version": "6",
   "state": "AVAILABLE",
   "status": {
    "error_code": "OK",
    "error_message": ""
   }
  }
 ]
}
)");
}

TEST(StatusTest, WritesAPresentStatusForEveryVersion) {
  const struct {
    VersionStatus version;
    const char* text;
  } kCases[] = {
      {{3, VersionState::kLoading, {}},
       "model_version_status { version: 3 state: LOADING status { } }"},
      {{0, VersionState::kStart, {}}, "model_version_status { state: START status { } }"},
      {{4, VersionState::kEnd, absl::OutOfRangeError("Read less bytes than requested")},
       "model_version_status { version: 4 state: END status { error_code: OUT_OF_RANGE "
       "error_message: \"Read less bytes "
       "than requested\" } }"},
      {{5, VersionState::kEnd, absl::InternalError("bad \xff byte")},
       "model_version_status { version: 5 state: END status { error_code: INTERNAL error_message: "
       "\"bad \\357\\277\\275 "
       "byte\" } }"},
  };
  for (const auto& c : kCases) {
    tfs::GetModelStatusResponse response;
    ASSERT_TRUE(response.ParseFromString(EncodeStatusResponse({c.version})));
    EXPECT_EQ(response.ShortDebugString(), c.text);
  }
}

TEST(StatusTest, ReadsRequests) {
  const auto request = ParseStatusRequest(
      FromText<tfs::GetModelStatusRequest>("model_spec { name: 'm' version_label: '' }")
          .SerializeAsString());
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->spec->view().label, "");
  EXPECT_FALSE(request->spec->view().version);
  EXPECT_FALSE(ParseStatusRequest("")->spec.has_value());
  EXPECT_EQ(ParseStatusRequest("\x0a\x05").status().code(), absl::StatusCode::kInvalidArgument);
}

// --- configuration ---

TEST(ReloadTest, ReadsAListAndTheMetricsAskedFor) {
  std::vector<std::string> metrics;
  const auto configs =
      ParseReloadRequest(FromText<tfs::ReloadConfigRequest>(
                             "config { model_config_list { config { name: 'a' base_path: '/a' "
                             "model_platform: 'tensorflow' } } } metric_names: 'm1'")
                             .SerializeAsString(),
                         &metrics);
  ASSERT_TRUE(configs.ok()) << configs.status();
  ASSERT_EQ(configs->size(), 1u);
  EXPECT_EQ((*configs)[0].name, "a");
  EXPECT_THAT(metrics, testing::ElementsAre("m1"));
}

TEST(ReloadTest, RefusesEverythingButAList) {
  for (const char* text : {"", "config {}", "config { custom_model_config {} }"}) {
    const auto configs =
        ParseReloadRequest(FromText<tfs::ReloadConfigRequest>(text).SerializeAsString());
    EXPECT_EQ(configs.status(),
              absl::InvalidArgumentError(
                  "ServerModelConfig type not supported by HandleReloadConfigRequest. Only "
                  "ModelConfigList is currently supported"));
  }
  EXPECT_TRUE(
      ParseReloadRequest(
          FromText<tfs::ReloadConfigRequest>("config { model_config_list {} }").SerializeAsString())
          ->empty());
  EXPECT_EQ(ParseReloadRequest("\x0a\x05").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ReloadTest, AnswersWithAPresentStatus) {
  EXPECT_EQ(EncodeReloadResponse(), std::string("\x0a\x00", 2));
  tfs::ReloadConfigResponse response;
  ASSERT_TRUE(response.ParseFromString(EncodeReloadResponse({{"m1", 4}})));
  EXPECT_EQ(response.ShortDebugString(),
            "status { } metric { name: \"m1\" int64_value_increase: 4 }");
}

absl::StatusOr<lifecycle::ModelConfigs> ParseText(const std::string& text,
                                                  bool* has_list = nullptr) {
  return ParseModelConfigText("/etc/models.conf", text, has_list);
}

TEST(ModelConfigTextTest, ReadsThePublishedForm) {
  bool has_list = false;
  const auto configs = ParseText(R"(
    # Commas between fields, as the guides write them.
    model_config_list: {
      config: {
        name: "first",
        base_path: "/models/first",
        model_platform: "tensorflow",
        model_version_policy: { specific: { versions: 1, versions: 5 } }
        version_labels { key: 'stable' value: 1 }
        version_labels { key: 'canary' value: 5 }
      },
      config { name: "sec" "ond"; base_path: '/models/second'; model_type: TENSORFLOW
               model_version_policy { all {} } logging_config {} }
      config { name: "third" model_version_policy { latest { num_versions: 3 } } model_type: OTHER }
      config { model_version_policy { latest {} } }
      config { model_version_policy { specific { versions: [2, 3] } } }
    }
  )",
                                 &has_list);
  ASSERT_TRUE(configs.ok()) << configs.status();
  EXPECT_TRUE(has_list);
  using TypeField = lifecycle::ModelConfig::TypeField;
  const lifecycle::ModelConfigs expected = {
      {.name = "first",
       .base_path = "/models/first",
       .platform = "tensorflow",
       .policy = lifecycle::SpecificVersions{{1, 5}},
       .labels = {{"canary", 5}, {"stable", 1}}},
      {.name = "second",
       .base_path = "/models/second",
       .platform = "",
       .policy = lifecycle::AllVersions{},
       .labels = {},
       .logging = reqlog::LoggingConfig{},
       .type_field = TypeField::kTensorflow,
       .type_number = 1},
      {.name = "third",
       .base_path = "",
       .platform = "",
       .policy = lifecycle::LatestVersions{3},
       .labels = {},
       .type_field = TypeField::kOther,
       .type_number = 2},
      {},
      {.name = "",
       .base_path = "",
       .platform = "",
       .policy = lifecycle::SpecificVersions{{2, 3}},
       .labels = {}},
  };
  EXPECT_EQ(*configs, expected);
}

TEST(ModelConfigTextTest, ReadsRequestLogging) {
  const auto configs = ParseText(
      R"(model_config_list { config {
           name: "m"
           logging_config {
             log_collector_config { type: "tfrecord" filename_prefix: "/logs/m" }
             sampling_config {
               sampling_rate: 0.5
               attributes: 3
               per_task_sampling_configs { dc: "oslo" task_index: 0 sampling_rate: 1 }
               per_task_sampling_configs { sampling_rate: 0.25 }
             }
             custom_logging_config {}
           } } })");
  ASSERT_TRUE(configs.ok()) << configs.status();
  const reqlog::LoggingConfig expected = {
      .collector_type = "tfrecord",
      .filename_prefix = "/logs/m",
      .sampling_rate = 0.5,
      .attributes = 3,
      .per_task = {{.dc = "oslo", .task_index = 0, .sampling_rate = 1}, {.sampling_rate = 0.25}},
      .has_custom_config = true};
  EXPECT_EQ(configs->at(0).logging, expected);
}

TEST(ModelConfigTextTest, TellsAnEmptyListFromNone) {
  bool has_list = true;
  EXPECT_TRUE(ParseText("# nothing yet\n", &has_list)->empty());
  EXPECT_FALSE(has_list);
  EXPECT_TRUE(ParseText("model_config_list {}", &has_list)->empty());
  EXPECT_TRUE(has_list);
}

TEST(ModelConfigTextTest, RefusesBadTextsAndLogsProtobufsLine) {
  const struct {
    std::string text;
    std::string error;
    std::string log;
  } kCases[] = {
      {"", "/etc/models.conf; Invalid argument", ""},
      {"improperly formatted", "Invalid protobuf file: '/etc/models.conf'",
       "Error parsing text-format tensorflow.serving.ModelServerConfig: 1:12: Message type "
       "\"tensorflow.serving.ModelServerConfig\" has no field named \"improperly\"."},
      {"model_config_list { config { name: 1 } }", "Invalid protobuf file: '/etc/models.conf'",
       "Expected string"},
      {"custom_model_config { type_url: 'x' }",
       "ModelServer does not yet support custom model config.", ""},
  };
  for (const auto& c : kCases) {
    testing::internal::CaptureStderr();
    const auto configs = ParseText(c.text);
    const std::string log = testing::internal::GetCapturedStderr();
    EXPECT_EQ(configs.status(), absl::InvalidArgumentError(c.error));
    EXPECT_THAT(log, testing::HasSubstr(c.log));
  }
}

}  // namespace
}  // namespace baton::codec::grpc
