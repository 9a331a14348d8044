#include "codec/rest/example_codec.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tensorflow/core/example/example.pb.h"

namespace baton::codec::rest {
namespace {

using tensor::DType;
using tensor::Tensor;
using ::testing::HasSubstr;

// The features of one serialized Example in the order of their names: "x=float[1 2.5] y=none".
std::string ExampleText(std::string_view bytes) {
  tensorflow::Example example;
  if (!example.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return "no Example";
  std::vector<std::pair<std::string, std::string>> features;
  for (const auto& [name, feature] : example.features().feature()) {
    std::string text = "none";
    const auto print = [&text](std::string_view kind, const auto& values) {
      text = base::StrCat(kind, "[");
      for (const auto& value : values) {
        if (text.back() != '[') text += ' ';
        base::StrAppend(&text, value);
      }
      text += ']';
    };
    if (feature.has_bytes_list()) print("bytes", feature.bytes_list().value());
    if (feature.has_float_list()) print("float", feature.float_list().value());
    if (feature.has_int64_list()) print("int64", feature.int64_list().value());
    features.emplace_back(name, text);
  }
  std::sort(features.begin(), features.end());
  std::string text;
  for (const auto& [name, value] : features) {
    base::StrAppend(&text, text.empty() ? "" : " ", name, "=", value);
  }
  return text;
}

// The examples of a body, separated by "; ", or "CODE: message".
std::string Read(std::string_view body) {
  const auto read = ExampleBody::Parse(base::Buffer::Copy(body));
  if (!read.ok()) {
    return base::StrCat(base::CodeName(read.status().code()), ": ", base::Message(read.status()));
  }
  EXPECT_EQ(read->examples.dtype(), DType::kString);
  EXPECT_EQ(read->examples.shape().rank(), 1u);
  std::string text;
  for (const tensor::StringRef& example : read->examples.strings()) {
    base::StrAppend(&text, text.empty() ? "" : "; ", ExampleText(example.view()));
  }
  return text;
}

struct Row {
  const char* body;
  std::string expected;
};

void Check(const std::vector<Row>& rows) {
  for (const Row& row : rows) EXPECT_EQ(Read(row.body), row.expected) << row.body;
}

// --- Requests

TEST(ExampleBodyTest, FeaturesBecomeTheListsOfTheirKind) {
  Check({
      {R"({"examples": [{"x": 2}]})", "x=int64[2]"},
      {R"({"examples": [{"x": [1, -1, 0]}]})", "x=int64[1 -1 0]"},
      {R"({"examples": [{"x": [9223372036854775807, -9223372036854775808]}]})",
       "x=int64[9223372036854775807 -9223372036854775808]"},
      {R"({"examples": [{"x": [300, 140737488355328, 16384]}]})",
       "x=int64[300 140737488355328 16384]"},
      {R"({"examples": [{"x": 2.0}]})", "x=float[2]"},
      {R"({"examples": [{"x": [1.5, NaN, -Infinity, 1e39, 2e0]}]})", "x=float[1.5 nan -inf inf 2]"},
      {R"({"examples": [{"x": 18446744073709551616}]})", "x=float[1.84467e+19]"},
      {R"({"examples": [{"x": "ab"}]})", "x=bytes[ab]"},
      {R"({"examples": [{"x": ["a", "", "b\u00e9\n"]}]})", "x=bytes[a  b\xc3\xa9\n]"},
      {R"({"examples": [{"x": {"b64": "aGk="}}]})", "x=bytes[hi]"},
      {R"({"examples": [{"x": [{"b64": "aGk="}, "yo", {"b64": "\u0061Gk="}]}]})",
       "x=bytes[hi yo hi]"},
      {R"({"examples": [{"x": true, "y": [false, true, 7]}]})", "x=int64[1] y=int64[0 1 7]"},
      {R"({"examples": [{"x": []}]})", "x=none"},
      {R"({"examples": [{"\u0078y": 1}]})", "xy=int64[1]"},
      {R"({"examples": [{"": 1}]})", "=int64[1]"},
  });
}

TEST(ExampleBodyTest, EveryObjectIsAnExample) {
  Check({
      {R"({"examples": [{}]})", ""},
      {R"({"examples": [{"x": 1.0, "y": ["a"]}, {}, {"y": "b"}]})",
       "x=float[1] y=bytes[a]; ; y=bytes[b]"},
      // A name twice: the last one.
      {R"({"examples": [{"x": 1.0, "x": "a"}]})", "x=bytes[a]"},
      // The first list, whatever follows.
      {R"({"examples": [{"x": 1}], "examples": 5, "instances": 7})", "x=int64[1]"},
  });
}

TEST(ExampleBodyTest, TheContextIsPartOfEveryExample) {
  Check({
      {R"({"context": {"c": "q"}, "examples": [{"x": 1}, {}]})",
       "c=bytes[q] x=int64[1]; c=bytes[q]"},
      {R"({"examples": [{"x": 1}], "context": {}})", "x=int64[1]"},
      // The example's own value wins.
      {R"({"context": {"x": 8.0}, "examples": [{"x": 1.0}, {}]})", "x=float[1]; x=float[8]"},
  });
}

TEST(ExampleBodyTest, LongListsAreMeasuredRight) {
  std::string floats = "1.5", ints = "300", texts = "\"abc\"";
  for (int i = 1; i < 3000; ++i) {
    floats += ",1.5";
    ints += ",300";
    texts += ",\"abc\"";
  }
  const std::string body =
      base::StrCat(R"({"context": {"t": [)", texts, R"(]}, "examples": [{"f": [)", floats,
                   R"(], "i": [)", ints, "]}, {}]}");
  const auto read = ExampleBody::Parse(base::Buffer::Copy(body));
  ASSERT_TRUE(read.ok());
  for (const tensor::StringRef& ref : read->examples.strings()) {
    tensorflow::Example example;
    ASSERT_TRUE(example.ParseFromArray(ref.data, static_cast<int>(ref.size)));
    EXPECT_EQ(example.features().feature().at("t").bytes_list().value(2999), "abc");
  }
  tensorflow::Example example;
  const std::string_view first = read->examples.strings()[0].view();
  ASSERT_TRUE(example.ParseFromArray(first.data(), static_cast<int>(first.size())));
  EXPECT_EQ(example.features().feature().at("f").float_list().value_size(), 3000);
  EXPECT_EQ(example.features().feature().at("i").int64_list().value(2999), 300);
}

TEST(ExampleBodyTest, TheSignatureIsNamedInTheBody) {
  const auto named =
      ExampleBody::Parse(base::Buffer::Copy(R"({"signature_name": "s", "examples": [{}]})"));
  EXPECT_EQ(named->signature_name, "s");
  const auto unnamed = ExampleBody::Parse(base::Buffer::Copy(R"({"examples": [{}]})"));
  EXPECT_EQ(unnamed->signature_name, "");
}

TEST(ExampleBodyTest, WhatIsNoListOfExamplesIsRefused) {
  Check({
      {"", "INVALID_ARGUMENT: JSON Parse error: The document is empty"},
      {"[1]", "INVALID_ARGUMENT: JSON Value: [1] Is not object"},
      {R"({"signature_name": 1})",
       "INVALID_ARGUMENT: JSON Value: {\n    \"signature_name\": 1\n} not formatted correctly. "
       "'signature_name' key must be a string value."},
      // The same text for regress.
      {"{}",
       "INVALID_ARGUMENT: JSON Value: {} When method is classify, key 'examples' is expected and "
       "was not found"},
      {R"({"examples": {}})",
       "INVALID_ARGUMENT: JSON Value: {\n    \"examples\": {}\n} Expecting 'examples' value to be "
       "an list/array"},
      {R"({"examples": []})",
       "INVALID_ARGUMENT: JSON Value: {\n    \"examples\": []\n} 'examples' value is an empty "
       "array"},
      {R"({"examples": [1.5]})",
       "INVALID_ARGUMENT: Example must be JSON object but got JSON Number"},
      {R"({"examples": [{}, [{}]]})",
       "INVALID_ARGUMENT: Example must be JSON object but got JSON Array"},
      {R"({"context": null, "examples": [{}]})",
       "INVALID_ARGUMENT: Example must be JSON object but got JSON Null"},
      // The context comes first.
      {R"({"context": "x"})", "INVALID_ARGUMENT: Example must be JSON object but got JSON String"},
  });
}

TEST(ExampleBodyTest, WhatIsNoFeatureIsRefused) {
  Check({
      {R"({"examples": [{"x": null}]})",
       "INVALID_ARGUMENT: Feature: x has element with unexpected JSON type: Null"},
      {R"({"examples": [{"x": [[1]]}]})",
       "INVALID_ARGUMENT: Feature: x has element with unexpected JSON type: Array"},
      {R"({"examples": [{"x": {"y": "a"}}]})",
       "INVALID_ARGUMENT: Feature: x has element with unexpected JSON type: Object"},
      {R"({"examples": [{"x": {"b64": 1}}]})",
       "INVALID_ARGUMENT: Feature: x has element with unexpected JSON type: Object"},
      {R"({"examples": [{"x": {"b64": "!"}}]})", "INVALID_ARGUMENT: Unable to base64 decode"},
      {R"({"examples": [{"x": [1, 2.5]}]})",
       "INVALID_ARGUMENT: Unexpected element type in feature: x expecting type: int64"},
      {R"({"examples": [{"x": [2.5, "a"]}]})",
       "INVALID_ARGUMENT: Unexpected element type in feature: x expecting type: float"},
      {R"({"examples": [{"x": ["a", true]}]})",
       "INVALID_ARGUMENT: Unexpected element type in feature: x expecting type: bytes"},
      {R"({"examples": [{"x": 9223372036854775808}]})",
       "INVALID_ARGUMENT: Feature: x has uint64_t element. Only int64_t is supported."},
      // The kind is looked at first.
      {R"({"examples": [{"x": [1.5, 18446744073709551615]}]})",
       "INVALID_ARGUMENT: Unexpected element type in feature: x expecting type: float"},
  });
}

TEST(ExampleBodyTest, AContextIsNotCopiedWithoutEnd) {
  std::string body =
      R"({"context": {"x": ")" + std::string(1 << 20, 'x') + R"("}, "examples": [{})";
  for (int i = 0; i < 1000; ++i) body += ",{}";
  EXPECT_THAT(Read(body + "]}"), HasSubstr("RESOURCE_EXHAUSTED"));
}

// --- Answers

std::string Text(const absl::StatusOr<base::Buffer>& answer) {
  return answer.ok() ? std::string(answer->view()) : std::string(base::Message(answer.status()));
}

TEST(ExampleAnswerTest, ClassesArePairsOnOneLine) {
  const std::vector<std::string_view> names = {"cat", "d\"g", "", "\xff"};
  const Tensor labels = Tensor::FromStrings({2, 2}, names);
  const std::vector<float> scores = {0.9f, 0.1f, 1, -0.0f};
  EXPECT_EQ(Text(EncodeClassifications({2, 2, labels.strings(), scores})),
            "{\n    \"results\": [[[\"cat\", 0.9], [\"d\\\"g\", 0.1]], [[\"\", 1.0], [\"\xff\", "
            "-0.0]]\n    ]\n}");
  EXPECT_EQ(Text(EncodeClassifications({1, 2, {}, std::span(scores).first(2)})),
            "{\n    \"results\": [[[\"\", 0.9], [\"\", 0.1]]\n    ]\n}");
  EXPECT_EQ(Text(EncodeClassifications({4, 1, labels.strings(), {}})),
            "{\n    \"results\": [[[\"cat\", 0.0]], [[\"d\\\"g\", 0.0]], [[\"\", 0.0]], "
            "[[\"\xff\", 0.0]]\n    ]\n}");
  EXPECT_EQ(Text(EncodeClassifications({2, 0, {}, {}})), "{\n    \"results\": [[], []\n    ]\n}");
  EXPECT_EQ(Text(EncodeClassifications({})), "Cannot convert empty ClassificationResults to JSON");
}

TEST(ExampleAnswerTest, RegressionsAreAFlatList) {
  const std::vector<float> values = {3, 0.1f, 1.0f / 3};
  EXPECT_EQ(Text(EncodeRegressions({values})), "{\n    \"results\": [3.0, 0.1, 0.333333343]\n}");
  EXPECT_EQ(Text(EncodeRegressions({})), "Cannot convert empty RegressionResults to JSON");
}

}  // namespace
}  // namespace baton::codec::rest
