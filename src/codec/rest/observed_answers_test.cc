// Replays the predict bodies recorded from TensorFlow Serving 2.12.1 (tests/conformance/observed)
// against the codec, for the models that a line of arithmetic can stand in for.

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "codec/rest/base64.h"
#include "codec/rest/predict_codec.h"
#include "codec/rest/test_signatures.h"
#include "gtest/gtest.h"
#include "rapidjson/document.h"

namespace baton::codec::rest {
namespace {

using tensor::DType;
using tensor::Tensor;

struct Question {
  std::string id, path, body;
  int status = 0;
  std::string answer;
};

std::string FromBase64(const rapidjson::Value& object, const char* key) {
  if (!object.HasMember(key)) return "";
  const std::string_view text(object[key].GetString(), object[key].GetStringLength());
  std::string bytes(text.size(), '\0');
  bytes.resize(static_cast<size_t>(DecodeBase64(text, bytes.data())));
  return bytes;
}

std::vector<Question> ReadQuestions() {
  std::vector<Question> questions;
  std::ifstream file(BATON_OBSERVED_ANSWERS);
  for (std::string line; std::getline(file, line);) {
    rapidjson::Document entry;
    entry.Parse(line.c_str());
    const rapidjson::Value& question = entry["case"];
    if (std::string_view(question["kind"].GetString()) != "rest") continue;
    const rapidjson::Value& answer = entry["answer"];
    if (question.HasMember("headers") && question["headers"].IsObject() &&
        question["headers"].HasMember("Content-Encoding")) {
      continue;
    }
    questions.push_back({question["id"].GetString(), question["path"].GetString(),
                         FromBase64(question, "body"), answer["status"].GetInt(),
                         FromBase64(answer, "body")});
  }
  return questions;
}

// The model: one input, one output, y = x * factor + term for floats, y = x otherwise.
struct StandIn {
  DType dtype;
  float factor = 1;
  float term = 0;
};

const StandIn* FindModel(const std::string& path, std::string_view signature) {
  static const std::map<std::string, StandIn, std::less<>> kTypes = {
      {"", {DType::kFloat}},
      {"float32", {DType::kFloat}},
      {"float64", {DType::kDouble}},
      {"float16", {DType::kHalf}},
      {"bfloat16", {DType::kBfloat16}},
      {"int8", {DType::kInt8}},
      {"int16", {DType::kInt16}},
      {"int32", {DType::kInt32}},
      {"int64", {DType::kInt64}},
      {"uint8", {DType::kUint8}},
      {"uint16", {DType::kUint16}},
      {"uint32", {DType::kUint32}},
      {"uint64", {DType::kUint64}},
      {"bool", {DType::kBool}},
      {"string", {DType::kString}},
      {"complex64", {DType::kComplex64}},
      {"complex128", {DType::kComplex128}},
      {"qint8", {DType::kQint8}},
      {"scalar", {DType::kFloat, 1, 1}},
      {"unknown_rank", {DType::kFloat}},
      {"fixed23", {DType::kFloat}},
  };
  static const StandIn kHalfPlusTwo = {DType::kFloat, 0.5, 2};
  if (path == "/v1/models/half_plus_two:predict") {
    return signature.empty() || signature == "serving_default" ? &kHalfPlusTwo : nullptr;
  }
  if (path != "/v1/models/types:predict") return nullptr;
  const auto it = kTypes.find(signature);
  return it == kTypes.end() ? nullptr : &it->second;
}

struct Answer {
  int status = 0;
  std::string body;
};

Answer FromStatus(const absl::Status& status) {
  return {status.code() == absl::StatusCode::kUnimplemented ? 501 : 400,
          ErrorBody(base::Message(status))};
}

// nullopt-like status 0: not a question for the codec.
Answer Ask(const Question& question) {
  auto body = PredictBody::Parse(base::Buffer::Copy(question.body));
  if (!body.ok()) return FromStatus(body.status());
  const StandIn* model = FindModel(question.path, body->signature_name());
  if (model == nullptr) return {};
  const engine::Signature signature = Identity(model->dtype);
  auto decoded = body->Decode(signature);
  if (!decoded.ok()) return FromStatus(decoded.status());
  Tensor tensor = decoded->request.inputs[0];
  if (model->dtype == DType::kFloat) {
    for (float& value : tensor.mutable_values<float>()) value = value * model->factor + model->term;
  }
  predict::PredictResponse response;
  response.outputs.push_back(tensor);
  auto text = EncodePredictResponse(signature, {0}, response, decoded->format);
  if (!text.ok()) return FromStatus(text.status());
  return {200, std::string(text->view())};
}

// Where the goal is the newer behaviour, or a more exact number (contract §4.3, Appendix C).
const std::map<std::string, Answer>& Exceptions() {
  static const std::map<std::string, Answer> kExceptions = {
      {"rest/body/trail", {200, "{\n    \"predictions\": [2.5\n    ]\n}"}},
      {"rest/dtype/float64/row0",
       {200, "{\n    \"predictions\": [0.1, 1e+300, -4.94066e-324\n    ]\n}"}},
      {"rest/dtype/float64/col0",
       {200,
        "{\n    \"outputs\": [\n        0.1,\n        1e+300,\n        -4.94066e-324\n    ]\n}"}},
  };
  return kExceptions;
}

// Before 2.18 <dbg> took a line per array element; now arrays take one.
std::string JoinArrayLines(std::string text) {
  std::string joined;
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '[') ++depth;
    if (text[i] == ']') --depth;
    if (text.compare(i, 2, "\\n") == 0 &&
        (depth > 0 || text.find_first_not_of(' ', i + 2) == text.find(']', i + 2))) {
      if (joined.back() == ',') joined += ' ';
      i = text.find_first_not_of(' ', i + 2) - 1;
      continue;
    }
    joined += text[i];
  }
  return joined;
}

TEST(ObservedAnswersTest, CodecGivesTheRecordedAnswers) {
  int compared = 0;
  std::set<std::string> excepted;
  for (const Question& question : ReadQuestions()) {
    const bool is_ours = question.path == "/v1/models/half_plus_two:predict" ||
                         question.path == "/v1/models/types:predict";
    if (!is_ours || question.status == 0) continue;
    const Answer answer = Ask(question);
    if (answer.status == 0) continue;
    ++compared;
    if (const auto it = Exceptions().find(question.id); it != Exceptions().end()) {
      EXPECT_EQ(answer.status, it->second.status) << question.id;
      EXPECT_EQ(answer.body, it->second.body) << question.id;
      excepted.insert(question.id);
      continue;
    }
    EXPECT_EQ(answer.status, question.status) << question.id << " " << question.body;
    const std::string expected =
        question.status == 200 ? question.answer : JoinArrayLines(question.answer);
    EXPECT_EQ(answer.body, expected) << question.id << " " << question.body;
  }
  EXPECT_GE(compared, 110);
  EXPECT_EQ(excepted.size(), Exceptions().size());
}

}  // namespace
}  // namespace baton::codec::rest
