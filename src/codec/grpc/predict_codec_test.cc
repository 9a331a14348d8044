#include "codec/grpc/predict_codec.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "base/strings.h"
#include "codec/grpc/tensor_reference.h"
#include "tensorflow_serving/apis/predict.pb.h"

namespace baton::codec::grpc {
namespace {

using std::string_literals::operator""s;
using tensor::DType;
using tensor::Tensor;
namespace tfs = tensorflow::serving;

template <typename Message>
Message FromText(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

std::string RequestBytes(const std::string& text) {
  return FromText<tfs::PredictRequest>(text).SerializeAsString();
}

// What a ModelSpec says, as text: easy to compare with protobuf's.
std::string Describe(const predict::ModelSpec& spec) {
  return base::StrCat(spec.name, "|", spec.version ? base::StrCat(*spec.version) : "-", "|",
                      spec.label ? base::StrCat("[", *spec.label, "]") : "-", "|",
                      spec.signature_name);
}
std::string Describe(const tfs::ModelSpec& spec) {
  return base::StrCat(spec.name(), "|",
                      spec.has_version() ? base::StrCat(spec.version().value()) : "-", "|",
                      spec.has_version_label() ? base::StrCat("[", spec.version_label(), "]") : "-",
                      "|", spec.signature_name());
}

void ExpectSameRequest(const PredictRequestView& view, const tfs::PredictRequest& proto) {
  ASSERT_EQ(view.spec.has_value(), proto.has_model_spec());
  if (view.spec) {
    EXPECT_EQ(Describe(*view.spec), Describe(proto.model_spec()));
  }
  ASSERT_EQ(view.inputs.size(), static_cast<size_t>(proto.inputs_size()));
  for (const auto& input : view.inputs) {
    const auto it = proto.inputs().find(std::string(input.name));
    ASSERT_NE(it, proto.inputs().end()) << input.name;
    tensorflow::TensorProto tensor;
    ASSERT_TRUE(tensor.ParseFromArray(input.tensor.data(), static_cast<int>(input.tensor.size())));
    EXPECT_EQ(tensor.SerializeAsString(), it->second.SerializeAsString());
  }
  ASSERT_EQ(view.output_filter.size(), static_cast<size_t>(proto.output_filter_size()));
  for (int i = 0; i < proto.output_filter_size(); ++i) {
    EXPECT_EQ(view.output_filter[static_cast<size_t>(i)], proto.output_filter(i));
  }
}

TEST(ParsePredictRequestTest, ReadsWhatProtobufReads) {
  const struct {
    const char* what;
    std::string bytes;
  } kCases[] = {
      {"nothing", ""},
      {"an empty spec", RequestBytes("model_spec {}")},
      {"everything",
       RequestBytes(
           "model_spec { name: 'm' version { value: 7 } signature_name: 's' } "
           "inputs { key: 'a' value { dtype: DT_FLOAT float_val: 1 } } "
           "inputs { key: 'b' value { dtype: DT_STRING string_val: 'x' } } "
           "output_filter: ['y', 'z', 'y'] "
           "predict_streamed_options { split_dimensions { key: 'a' value: 1 } } "
           "client_id: '\\377' request_options { return_stoptokens: [1, 2] handshake {} }")},
      {"version zero is a version", RequestBytes("model_spec { version {} }")},
      {"a negative version", RequestBytes("model_spec { version { value: -1 } }")},
      {"an empty label is a label", RequestBytes("model_spec { version_label: '' }")},
      {"specs merge", RequestBytes("model_spec { name: 'a' version { value: 5 } }") +
                          RequestBytes("model_spec { signature_name: 's' version {} }")},
      {"a label replaces a version", RequestBytes("model_spec { version { value: 5 } }") +
                                         RequestBytes("model_spec { version_label: 'l' }")},
      {"a version replaces a label", RequestBytes("model_spec { version_label: 'l' }") +
                                         RequestBytes("model_spec { version {} }")},
      {"the last of a key counts",
       RequestBytes("inputs { key: 'a' value { dtype: DT_FLOAT } }") +
           RequestBytes("inputs { key: 'b' value { dtype: DT_INT8 } }") +
           RequestBytes("inputs { key: 'a' value { dtype: DT_INT64 } }")},
      {"an entry without anything", "\x12\x00"s},
      {"an entry without a key", "\x12\x04\x12\x02\x08\x01"s},
      {"an entry without a value",
       "\x12\x03\x0a\x01"
       "a"s},
      {"value before key",
       "\x12\x07\x12\x02\x08\x01\x0a\x01"
       "a"s},
      {"two keys in an entry",
       "\x12\x0a\x0a\x01"
       "a\x0a\x01"
       "b\x12\x02\x08\x01"s},
      {"two values in an entry are one tensor",
       "\x12\x0b\x0a\x01"
       "a\x12\x02\x08\x01\x12\x02\x18\x05"s},
      {"an empty value among others",
       "\x12\x0d\x0a\x01"
       "a\x12\x00\x12\x02\x08\x01\x12\x02\x18\x05"s},
      {"unknown fields", "\x92\x03\x02xy\x98\x03\x05\x1a\x01y"s},
      {"fields of another type are unknown", "\x08\x01\x10\x02\x1d\x01\x02\x03\x04\x2a\x00"s},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.what);
    tfs::PredictRequest proto;
    ASSERT_TRUE(proto.ParseFromString(c.bytes));
    const auto view = ParsePredictRequest(c.bytes);
    ASSERT_TRUE(view.ok()) << view.status();
    ExpectSameRequest(*view, proto);
  }
}

TEST(ParsePredictRequestTest, KeepsTheLastOfEachNameAmongMany) {
  tfs::PredictRequest proto;
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    tfs::PredictRequest one;
    (*one.mutable_inputs())[base::StrCat("name", i % 70)].set_version_number(i);
    bytes += one.SerializeAsString();
  }
  ASSERT_TRUE(proto.ParseFromString(bytes));
  const auto view = ParsePredictRequest(bytes);
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->inputs.size(), 70u);
  ExpectSameRequest(*view, proto);
}

TEST(ParsePredictRequestTest, RefusesWhatProtobufRefuses) {
  const struct {
    const char* what;
    std::string bytes;
  } kCases[] = {
      {"a cut request", "\x0a\x05mod"s},
      {"a cut spec", "\x0a\x02\x0a\x05"s},
      {"a cut version", "\x0a\x03\x12\x01\x08"s},
      {"a model name that is not UTF-8", "\x0a\x03\x0a\x01\xff"s},
      {"a signature that is not UTF-8", "\x0a\x03\x1a\x01\xff"s},
      {"a label that is not UTF-8", "\x0a\x03\x22\x01\xff"s},
      {"an input's name that is not UTF-8", "\x12\x03\x0a\x01\xff"s},
      {"an output's name that is not UTF-8", "\x1a\x01\xff"s},
      {"streaming options that are none", "\x2a\x01\x80"s},
      {"options that are none", "\x3a\x01\x80"s},
      {"an end without a start", "\x0c"s},
      {"garbage", "garbage"},
  };
  testing::internal::CaptureStderr();
  for (const auto& c : kCases) {
    EXPECT_FALSE(tfs::PredictRequest().ParseFromString(c.bytes)) << c.what;
    const auto view = ParsePredictRequest(c.bytes);
    EXPECT_EQ(view.status().code(), absl::StatusCode::kInvalidArgument) << c.what;
  }
  testing::internal::GetCapturedStderr();
}

TEST(ParseModelSpecTest, ReadsASpecOfItsOwn) {
  const std::string bytes =
      FromText<tfs::ModelSpec>("name: 'm' version_label: 'stable'").SerializeAsString();
  EXPECT_EQ(Describe(*ParseModelSpec(bytes)), "m|-|[stable]|");
  EXPECT_FALSE(ParseModelSpec("\x0a\x05").ok());
}

// --- binding ---

engine::Port MakePort(std::string name, DType dtype, bool has_default = false) {
  return {.name = name,
          .tensor_name = name + ":0",
          .dtype = dtype,
          .shape = {},
          .has_default = has_default};
}

// Inputs a and b, outputs y and z; with `defaults`, b and c have one.
engine::Signature MakeSignature(bool defaults = false) {
  engine::Signature signature;
  signature.name = "serving_default";
  signature.inputs = {MakePort("a", DType::kFloat), MakePort("b", DType::kFloat, defaults)};
  if (defaults) signature.inputs.push_back(MakePort("c", DType::kFloat, true));
  signature.outputs = {MakePort("y", DType::kFloat), MakePort("z", DType::kInt64)};
  return signature;
}

absl::StatusOr<predict::PredictRequest> Bind(const std::string& text,
                                             const engine::Signature& signature) {
  const base::Buffer message = base::Buffer::Copy(RequestBytes(text));
  const auto view = ParsePredictRequest(message.view());
  EXPECT_TRUE(view.ok()) << view.status();
  return BindPredictRequest(*view, message, signature);
}

constexpr char kA[] = "inputs { key: 'a' value { dtype: DT_FLOAT float_val: 1 } }";
constexpr char kB[] = "inputs { key: 'b' value { dtype: DT_FLOAT float_val: 2 } }";
constexpr char kBadB[] = "inputs { key: 'b' value { float_val: 2 } }";
constexpr char kX[] = "inputs { key: 'x' value { dtype: DT_FLOAT float_val: 3 } }";

TEST(BindPredictRequestTest, AnswersWithTheContractsTexts) {
  const struct {
    const char* row;
    bool defaults;
    std::string request;
    std::string text;
  } kCases[] = {
      {"4: none", false, "",
       "input size does not match signature: 0!=2 len({}) != len({a,b}). Sent extra: {}. Missing "
       "but required: {a,b}."},
      {"4: too few", false, kX,
       "input size does not match signature: 1!=2 len({x}) != len({a,b}). Sent extra: {x}. Missing "
       "but required: {a,b}."},
      {"4: too many", false, base::StrCat(kX, kB, kA),
       "input size does not match signature: 3!=2 len({a,b,x}) != len({a,b}). Sent extra: {x}. "
       "Missing but required: {}."},
      {"4: too many with defaults", true,
       base::StrCat(kX, kB, "inputs { key: 'w' value {} } inputs { key: '' value {} }"),
       "input size does not match signature: 4!=3 len({,b,w,x}) != len({a,b,c}). Sent extra: "
       "{,w,x}. Missing but "
       "required: {a}."},
      {"5: another name", false, base::StrCat(kA, kX),
       "Signature input alias: b(feed name: b:0) not found in request and no default value "
       "provided. Inputs expected to "
       "be in the request {a,x}, or default input alias set: "},
      {"5: one without default is absent", true, kB,
       "Signature input alias: a(feed name: a:0) not found in request and no default value "
       "provided. Inputs expected to "
       "be in the request {b}, or default input alias set: b,c"},
      {"6", false, base::StrCat(kA, kBadB), "tensor parsing error: b"},
      {"6 before 7", true, base::StrCat(kA, kBadB, kX), "tensor parsing error: b"},
      {"7", true, base::StrCat(kA, kB, kX),
       "Inputs contains invalid name. Used request inputs: a,b, request input: a,b,x"},
      {"7 before 8", true, base::StrCat(kA, kX, "output_filter: 'q'"),
       "Inputs contains invalid name. Used request inputs: a, request input: a,x"},
      {"8", false, base::StrCat(kA, kB, "output_filter: ['y', 'q', 'y']"),
       "output tensor alias not found in signature: q Outputs expected to be in the set {y,z}."},
      {"9", false, base::StrCat(kA, kB, "output_filter: ['y', 'y', 'q']"),
       "duplicate output tensor alias: y"},
      {"a resource", false, base::StrCat(kA, "inputs { key: 'b' value { dtype: DT_RESOURCE } }"),
       "Invalid resource type hash code: 0(name:  type: ). Perhaps a resource tensor was being "
       "provided as a feed? That "
       "is not currently allowed. Please file an issue at "
       "https://github.com/tensorflow/tensorflow/issues/new, ideally "
       "with a short code snippet that leads to this error message."},
  };
  for (const auto& c : kCases) {
    const auto request = Bind(c.request, MakeSignature(c.defaults));
    EXPECT_EQ(request.status().code(), absl::StatusCode::kInvalidArgument) << c.row;
    EXPECT_EQ(base::Message(request.status()), c.text) << c.row;
  }
}

TEST(BindPredictRequestTest, PutsInputsAndOutputsOnTheirPorts) {
  const engine::Signature signature = MakeSignature();
  const auto request = Bind(base::StrCat(kB, kA, "output_filter: ['z', 'y']"), signature);
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->signature, &signature);
  EXPECT_THAT(request->input_ports, testing::ElementsAre(0, 1));
  EXPECT_EQ(request->inputs[0].values<float>()[0], 1);
  EXPECT_EQ(request->inputs[1].values<float>()[0], 2);
  EXPECT_THAT(request->output_ports, testing::ElementsAre(1, 0));
}

TEST(BindPredictRequestTest, LeavesDefaultsToTheEngineAndReturnsAllOutputs) {
  const auto request = Bind(kA, MakeSignature(true));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_THAT(request->input_ports, testing::ElementsAre(0));
  EXPECT_THAT(request->output_ports, testing::ElementsAre(0, 1));
}

TEST(BindPredictRequestTest, DoesNotJudgeTypesAndShapes) {
  const auto request = Bind(
      base::StrCat(
          kA, "inputs { key: 'b' value { dtype: DT_VARIANT tensor_shape { dim { size: 3 } } } }"),
      MakeSignature());
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->inputs[1].dtype(), DType::kVariant);
}

TEST(BindPredictRequestTest, TakesASignatureWithoutInputs) {
  engine::Signature signature = MakeSignature();
  signature.inputs.clear();
  EXPECT_TRUE(Bind("", signature).ok());
}

TEST(BindPredictRequestTest, DecodesATensorThatProtobufWouldMerge) {
  engine::Signature signature = MakeSignature();
  signature.inputs.pop_back();
  // Entry: key a, value {dtype: DT_STRING}, value {string_val: "text"}.
  const base::Buffer message = base::Buffer::Copy(
      "\x12\x0f\x0a\x01"
      "a\x12\x02\x08\x07\x12\x06\x42\x04text"s);
  std::vector<Tensor> inputs;
  {
    const auto view = ParsePredictRequest(message.view());
    ASSERT_TRUE(view.ok());
    const auto request = BindPredictRequest(*view, message, signature);
    ASSERT_TRUE(request.ok()) << request.status();
    inputs = request->inputs;
  }
  // The strings lie in the merged bytes, which live as long as the tensor.
  EXPECT_EQ(inputs[0].strings()[0].view(), "text");
  EXPECT_FALSE(inputs[0].strings()[0].view().data() >= message.data() &&
               inputs[0].strings()[0].view().data() < message.data() + message.size());
}

// --- encoding ---

std::string Concatenate(const std::vector<base::Buffer>& pieces, size_t prefix_bytes) {
  std::string bytes;
  for (const base::Buffer& piece : pieces) bytes += piece.view();
  return bytes.substr(prefix_bytes);
}

TEST(EncodePredictResponseTest, WritesOutputsByNameAndTheServedSpec) {
  const struct {
    int64_t version;
    TensorEncoding encoding;
    const char* text;
  } kCases[] = {
      {7, TensorEncoding::kTypedField,
       "outputs { key: 'y' value { dtype: DT_FLOAT tensor_shape { dim { size: 2 } } float_val: [1, "
       "2] } } "
       "outputs { key: 'z' value { dtype: DT_INT64 tensor_shape { dim { size: 1 } } int64_val: -3 "
       "} } "
       "model_spec { name: 'm' version { value: 7 } signature_name: 'serving_default' }"},
      {0, TensorEncoding::kTensorContent,
       "outputs { key: 'y' value { dtype: DT_FLOAT tensor_shape { dim { size: 2 } } "
       "tensor_content: "
       "'\\000\\000\\200\\077\\000\\000\\000@' } } "
       "outputs { key: 'z' value { dtype: DT_INT64 tensor_shape { dim { size: 1 } } "
       "tensor_content: "
       "'\\375\\377\\377\\377\\377\\377\\377\\377' } } "
       "model_spec { name: 'm' version {} signature_name: 'serving_default' }"},
  };
  predict::PredictResponse response;  // in the order asked: z, y
  response.outputs.push_back(
      Tensor::FromValues<int64_t>(DType::kInt64, {1}, std::vector<int64_t>{-3}));
  response.outputs.push_back(
      Tensor::FromValues<float>(DType::kFloat, {2}, std::vector<float>{1, 2}));
  for (const auto& c : kCases) {
    const auto pieces =
        EncodePredictResponse({"m", c.version}, MakeSignature(), {1, 0}, response, c.encoding, 5);
    EXPECT_EQ(pieces.size(), 1u);
    const std::string bytes = Concatenate(pieces, 5);
    const auto expected = FromText<tfs::PredictResponse>(c.text);
    tfs::PredictResponse proto;
    ASSERT_TRUE(proto.ParseFromString(bytes));
    EXPECT_EQ(proto.ShortDebugString(), expected.ShortDebugString());
    EXPECT_EQ(bytes.size(), expected.ByteSizeLong());
    EXPECT_LT(bytes.find("\x0a\x01y"), bytes.find("\x0a\x01z"));
  }
}

TEST(EncodePredictResponseTest, SharesLargePayloadsInsteadOfCopying) {
  for (const size_t count : {4095u, 4096u}) {
    const std::vector<float> values(count, 1.5f);
    predict::PredictResponse response;
    response.outputs.push_back(
        Tensor::FromValues<float>(DType::kFloat, {static_cast<int64_t>(count)}, std::span(values)));
    response.outputs.push_back(
        Tensor::FromValues<int64_t>(DType::kInt64, {1}, std::vector<int64_t>{3}));
    const auto pieces = EncodePredictResponse({"m", 1}, MakeSignature(), {0, 1}, response,
                                              TensorEncoding::kTypedField, 5);
    ASSERT_EQ(pieces.size(), count == 4096 ? 3u : 1u);
    if (pieces.size() == 3) {
      EXPECT_EQ(pieces[1].data(), response.outputs[0].buffer().data());
    }
    tfs::PredictResponse proto;
    ASSERT_TRUE(proto.ParseFromString(Concatenate(pieces, 5)));
    EXPECT_EQ(proto.outputs().at("y").float_val_size(), static_cast<int>(count));
    EXPECT_EQ(proto.outputs().at("z").int64_val(0), 3);
    EXPECT_EQ(proto.model_spec().version().value(), 1);
  }
}

TEST(EncodePredictResponseTest, CopiesLargePayloadsThatAreNotTheTensorsBytes) {
  const std::vector<int64_t> values(10000, -1);
  predict::PredictResponse response;
  response.outputs.push_back(
      Tensor::FromValues<int64_t>(DType::kInt64, {10000}, std::span(values)));
  const auto pieces = EncodePredictResponse({"m", 1}, MakeSignature(), {1}, response,
                                            TensorEncoding::kTypedField, 0);
  ASSERT_EQ(pieces.size(), 1u);
  tfs::PredictResponse proto;
  ASSERT_TRUE(proto.ParseFromString(Concatenate(pieces, 0)));
  EXPECT_EQ(proto.outputs().at("z").int64_val_size(), 10000);
}

// --- where the content lies ---

TEST(FindTensorContentTest, FindsTheFirstLargeRun) {
  // One request behind the other, so that the entries come in this order.
  std::string bytes = RequestBytes(
      "model_spec { name: 'm' } inputs { key: 'small' value { tensor_content: 'tiny' } }");
  tfs::PredictRequest proto;
  (*proto.mutable_inputs())["text"].add_string_val(std::string(5000, 'b'));
  bytes += proto.SerializeAsString();
  proto.Clear();
  (*proto.mutable_inputs())["x"].mutable_tensor_shape()->add_dim()->set_size(4096);
  (*proto.mutable_inputs())["x"].set_tensor_content(std::string(4096, 'a'));
  bytes += proto.SerializeAsString();
  const size_t content = bytes.find(std::string(4096, 'a'));
  EXPECT_EQ(FindTensorContent(bytes), content);
  // The run itself need not be there yet, only what is in front of it.
  EXPECT_EQ(FindTensorContent(bytes.substr(0, content)), content);
  EXPECT_EQ(FindTensorContent(bytes.substr(0, content - 3)), 0u);
}

TEST(FindTensorContentTest, FindsPackedFloatsAndNothingElse) {
  tfs::PredictRequest proto;
  (*proto.mutable_inputs())["x"].set_dtype(tensorflow::DT_FLOAT);
  for (int i = 0; i < 1024; ++i) (*proto.mutable_inputs())["x"].add_float_val(1);
  const std::string bytes = proto.SerializeAsString();
  EXPECT_EQ(FindTensorContent(bytes), bytes.size() - 4096);
  EXPECT_EQ(FindTensorContent(""), 0u);
  EXPECT_EQ(FindTensorContent("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), 0u);
  EXPECT_EQ(FindTensorContent(std::string(1000, '\x12')), 0u);
}

}  // namespace
}  // namespace baton::codec::grpc
