#include <string>
#include <vector>

#include "codec/rest/predict_codec.h"
#include "codec/rest/test_signatures.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::codec::rest {
namespace {

using tensor::DType;

// "x: float[2] 1 2; y: ...", or "CODE: message".
std::string DecodeText(const engine::Signature& signature, std::string_view body) {
  auto parsed = PredictBody::Parse(base::Buffer::Copy(body));
  if (!parsed.ok()) {
    return base::StrCat(base::CodeName(parsed.status().code()), ": ",
                        base::Message(parsed.status()));
  }
  auto decoded = parsed->Decode(signature);
  if (!decoded.ok()) {
    return base::StrCat(base::CodeName(decoded.status().code()), ": ",
                        base::Message(decoded.status()));
  }
  std::string text;
  for (size_t i = 0; i < decoded->request.inputs.size(); ++i) {
    if (i > 0) text += "; ";
    text += signature.inputs[decoded->request.input_ports[i]].name + ": " +
            TensorText(decoded->request.inputs[i]);
  }
  return text;
}

// The signatures of the contract's worked examples.
const engine::Signature kA = Identity(DType::kFloat);
const engine::Signature kB =
    MakeSignature({MakePort("sig", DType::kFloat), MakePort("tag", DType::kString)});
const engine::Signature kC = MakeSignature({MakePort("img", DType::kString)});

struct Row {
  const engine::Signature* signature;
  std::string body;
  std::string expected;
};

void Check(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    EXPECT_EQ(DecodeText(*row.signature, row.body), row.expected) << row.body;
  }
}

TEST(PredictDecoderTest, WorkedExamplesOfTheContract) {
  Check({
      {&kA, R"({"instances": [1, 2.5, 3]})", "x: float[3] 1 2.5 3"},
      {&kA, R"({"instances": [[1,2],[3,4]]})", "x: float[2,2] 1 2 3 4"},
      {&kA, R"({"instances": [{"x": [1,2]}, {"x": [3,4]}]})", "x: float[2,2] 1 2 3 4"},
      {&kA, R"({"inputs": [[1,2],[3,4]]})", "x: float[2,2] 1 2 3 4"},
      {&kA, R"({"inputs": {"x": [[1,2],[3,4]]}})", "x: float[2,2] 1 2 3 4"},
      {&kA, R"({"inputs": {"x": 7, "debug": true}})", "x: float[] 7"},
      {&kA, R"({"instances": [[1,2],[3]]})",
       "INVALID_ARGUMENT: Failed to process element: 1 of 'instances' list. Error: "
       "INVALID_ARGUMENT: Expecting tensor size: 2 but got: 1"},
      {&kA, R"({"instances": ["a"]})",
       "INVALID_ARGUMENT: Failed to process element: 0 of 'instances' list. Error: "
       "INVALID_ARGUMENT: JSON Value: \"a\" Type: String is not of expected type: float"},
      {&kB, R"({"instances": [{"tag":"p","sig":[1,2]},{"tag":"q","sig":[3,4]}]})",
       "sig: float[2,2] 1 2 3 4; tag: string[2] 'p' 'q'"},
      {&kB, R"({"inputs": {"tag":["p","q"],"sig":[[1,2],[3,4]]}})",
       "sig: float[2,2] 1 2 3 4; tag: string[2] 'p' 'q'"},
      {&kC, R"({"instances": [{"b64":"aGk="}, {"b64":"eW8="}]})", "img: string[2] 'hi' 'yo'"},
      {&kC, R"({"instances": [{"img": {"b64":"aGk="}}]})", "img: string[1] 'hi'"},
  });
}

TEST(PredictDecoderTest, BodyIsCheckedBeforeAnythingElse) {
  const std::string parse = "INVALID_ARGUMENT: JSON Parse error: ";
  Check({
      {&kA, "", parse + "The document is empty"},
      {&kA, " ", parse + "The document is empty. at offset: 1"},
      {&kA, "instances = [1]", parse + "Invalid value. at offset: 0"},
      {&kA, R"({"instances":[1,]})", parse + "Invalid value. at offset: 16"},
      {&kA, "{a:1}", parse + "Missing a name for object member. at offset: 1"},
      {&kA, R"({"a" 1})", parse + "Missing a colon after a name of object member. at offset: 5"},
      {&kA, R"({"a":1)", parse + "Missing a comma or '}' after an object member. at offset: 6"},
      {&kA, "[1 2]", parse + "Missing a comma or ']' after an array element. at offset: 3"},
      {&kA, R"({"a":"x)", parse + "Missing a closing quotation mark in string. at offset: 7"},
      {&kA, R"({"a":"\q"})", parse + "Invalid escape character in string. at offset: 6"},
      {&kA, "{\"a\":\"\t\"}", parse + "Invalid escape character in string. at offset: 6"},
      {&kA, R"({"a":"\ud800"})", parse + "The surrogate pair in string is invalid. at offset: 6"},
      {&kA, R"({"a":1e400})", parse + "Number too big to be stored in double. at offset: 5"},
      {&kA, R"({"a":1.})", parse + "Miss fraction part in number. at offset: 7"},
      {&kA, R"({"a":1e})", parse + "Miss exponent in number. at offset: 7"},
      {&kA, R"({"a":01})", parse + "Missing a comma or '}' after an object member. at offset: 6"},
      {&kA, "3", "INVALID_ARGUMENT: JSON Value: 3 Is not object"},
      {&kA, "[1, 2.50]", "INVALID_ARGUMENT: JSON Value: [1, 2.5] Is not object"},
      {&kA, "\"", parse + "Missing a closing quotation mark in string. at offset: 1"},
      {&kA, std::string("{\"instances\":[1\0]}", 18),
       parse + "Missing a comma or ']' after an array element. at offset: 15"},
      {&kA, R"({"signature_name":5,"instances":[1]})",
       "INVALID_ARGUMENT: JSON Value: {\n    \"signature_name\": 5,\n    \"instances\": [1]\n} not "
       "formatted correctly. 'signature_name' key must be a string value."},
      // What follows the value is ignored, whatever it is.
      {&kA, "{\"instances\":[1]} x", "x: float[1] 1"},
      {&kA, std::string("{\"instances\":[1]}\0{", 19), "x: float[1] 1"},
      {&kA, "\xEF\xBB\xBF{\"instances\":[1]}", "x: float[1] 1"},
      {&kA, " \n\t{ \"instances\" : [ 1.0 ,\r\n2.0 ] } \n", "x: float[2] 1 2"},
  });
}

TEST(PredictDecoderTest, TopLevelKeys) {
  Check({
      {&kA, "{}", "INVALID_ARGUMENT: Missing 'inputs' or 'instances' key"},
      {&kA, R"({"instances":[1],"inputs":[1]})",
       "INVALID_ARGUMENT: JSON Value: {\n    \"instances\": [1],\n    \"inputs\": [1]\n} Not "
       "formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "},
      {&kA, R"({"instances":1.0})",
       "INVALID_ARGUMENT: JSON Value: {\n    \"instances\": 1.0\n} Expecting 'instances' to be an "
       "list/array"},
      {&kA, R"({"instances":[]})",
       "INVALID_ARGUMENT: JSON Value: {\n    \"instances\": []\n} No values in 'instances' array"},
      {&kA, R"({"instances":[1],"instances":[2]})", "x: float[1] 1"},
      {&kA, R"({"other":{"a":[null]},"instances":[1]})", "x: float[1] 1"},
      {&kA, R"({"inst\u0061nces":[1]})", "x: float[1] 1"},
  });
  const engine::Signature none = MakeSignature({});
  Check({{&none, R"({"instances":[1]})",
          "INVALID_ARGUMENT: Failed to get input map for signature: DEFAULT"},
         {&none, R"({"signature_name":"s","inputs":[1]})",
          "INVALID_ARGUMENT: Failed to get input map for signature: s"}});
}

TEST(PredictDecoderTest, RowFormatRules) {
  const std::string failed = "INVALID_ARGUMENT: Failed to process element: ";
  const std::string inner = " of 'instances' list. Error: INVALID_ARGUMENT: ";
  Check({
      {&kB, R"({"instances":[1]})",
       "INVALID_ARGUMENT: instances is a plain list, but expecting list of objects as multiple "
       "input tensors required as per tensorinfo_map"},
      {&kA, R"({"instances":[{"x":1},2]})",
       "INVALID_ARGUMENT: Expecting object but got list at item 1 of input list"},
      {&kA, R"({"instances":[2,{"x":1}]})",
       "INVALID_ARGUMENT: Expecting value/list but got object at item 1 of input list"},
      {&kA, R"({"instances":[1,[2]]})", failed + "1" + inner + "Expecting shape [] but got: [1]"},
      {&kA, R"({"instances":[[[1,2,3],[4,5,6]],[[1,2],[3,4],[5,6]]]})",
       failed + "1" + inner + "Expecting shape [2,3] but got: [3,2]"},
      {&kA, R"({"instances":[{"z":1}]})",
       failed + "0 key: z" + inner + "JSON object: does not have named input: z"},
      {&kA, R"({"instances":[{"x":1},{}]})",
       failed + "1 of 'instances' list. JSON object: {} keys must be equal to: x"},
      {&kB, R"({"instances":[{"tag":"p"}]})",
       failed + "0 of 'instances' list. JSON object: {\n    \"tag\": \"p\"\n} keys must be equal "
                "to: sig,tag"},
      {&kB, R"({"instances":[{"tag":"p","sig":["a"]}]})",
       failed + "0 key: sig" + inner +
           "JSON Value: \"a\" Type: String is not of expected type: float"},
      {&kA, R"({"instances":[[]]})", "x: float[1,0]"},
      {&kA, R"({"instances":[{"b64":"aGk="}]})",
       failed + "0" + inner +
           "JSON Value: {\n    \"b64\": \"aGk=\"\n} Type: Object is not of expected type: float"},
      // Only a string value makes it base64; otherwise it is an object that names an input.
      {&kC, R"({"instances":[{"b64":5}]})",
       failed + "0 key: b64" + inner + "JSON object: does not have named input: b64"},
      // A row that names an input twice gives two elements; as many as there are rows are used.
      {&kA, R"({"instances":[{"x":1,"x":2},{"x":3}]})", "x: float[2] 1 2"},
  });
}

TEST(PredictDecoderTest, ColumnarFormatRules) {
  Check({
      {&kB, R"({"inputs":[1]})",
       "INVALID_ARGUMENT: inputs is a plain value/list, but expecting an object as multiple input "
       "tensors required as per tensorinfo_map"},
      {&kB, R"({"inputs":{"sig":1}})",
       "INVALID_ARGUMENT: Missing named input: tag in 'inputs' object."},
      {&kA, R"({"inputs":{}})", "INVALID_ARGUMENT: Missing named input: x in 'inputs' object."},
      {&kA, R"({"inputs":5})", "x: float[] 5"},
      {&kA, R"({"inputs":[]})", "x: float[0]"},
      {&kA, R"({"inputs":[[],[]]})", "x: float[2,0]"},
      {&kC, R"({"inputs":{"b64":"aGk="}})", "img: string[] 'hi'"},
      {&kA, R"({"inputs":null})",
       "INVALID_ARGUMENT: JSON Value: null Type: Null is not of expected type: float"},
      {&kA, R"({"inputs":{"x":1,"x":2}})", "x: float[] 1"},
  });
}

TEST(PredictDecoderTest, IrregularTensors) {
  Check({
      {&kA, R"({"inputs":[[1,2],3]})",
       "INVALID_ARGUMENT: JSON Value: 3 found at incorrect level: 2 in the JSON DOM. Expected at "
       "level: 2"},
      {&kA, R"({"inputs":[1,[2]]})",
       "INVALID_ARGUMENT: Encountered list at unexpected level: 1 expected < 1"},
      {&kA, R"({"inputs":[[1,2],[3]]})",
       "INVALID_ARGUMENT: Encountered list at unexpected size: 1 at level: 1 expected size: 2"},
      {&kA, R"({"inputs":[[1,2],["a",4,5]]})",
       "INVALID_ARGUMENT: Encountered list at unexpected size: 3 at level: 1 expected size: 2"},
      {&kA, R"({"inputs":[[],[[]]]})",
       "INVALID_ARGUMENT: Encountered list at unexpected size: 1 at level: 1 expected size: 0"},
      {&kA, R"({"inputs":[[1],{"y":2}]})",
       "INVALID_ARGUMENT: JSON Value: {\n    \"y\": 2\n} found at incorrect level: 2 in the JSON "
       "DOM. Expected at level: 2"},
  });
}

TEST(PredictDecoderTest, WhatEachTypeTakes) {
  struct TypeRow {
    DType dtype;
    std::string value;
    std::string expected;
  };
  const std::vector<TypeRow> rows = {
      {DType::kFloat, "1e39", "inf"},
      {DType::kFloat, "-0", "0"},
      {DType::kFloat, "-0.0", "-0"},
      {DType::kFloat, "16777217", "1.67772e+07"},
      {DType::kDouble, "9223372036854775807", "9.22337e+18"},
      {DType::kDouble, "-Inf", "-inf"},
      {DType::kDouble, "1e-400", "0"},
      {DType::kDouble, "-1e-400", "-0"},
      {DType::kDouble, "1000000000000000000000e300", "inf"},
      {DType::kInt8, "128", "-128"},
      {DType::kInt8, "2147483648", ""},
      {DType::kUint8, "-1", "255"},
      {DType::kUint8, "256", "0"},
      {DType::kInt16, "40000", "-25536"},
      {DType::kInt32, "-2147483648", "-2147483648"},
      {DType::kInt32, "-2147483649", ""},
      {DType::kInt32, "1.0", ""},
      {DType::kInt32, "1e2", ""},
      {DType::kInt64, "-9223372036854775808", "-9223372036854775808"},
      {DType::kInt64, "9223372036854775807", "9223372036854775807"},
      {DType::kInt64, "9223372036854775808", ""},
      {DType::kInt64, "140737488355328", "140737488355328"},
      {DType::kInt64, "99999999999999", "99999999999999"},
      {DType::kInt64, "-123456789012345678", "-123456789012345678"},
      {DType::kUint32, "4294967295", "4294967295"},
      {DType::kUint32, "4294967296", ""},
      {DType::kUint32, "-1", ""},
      {DType::kUint32, "-0", "0"},
      {DType::kUint64, "18446744073709551615", "18446744073709551615"},
      {DType::kUint64, "18446744073709551616", ""},
      {DType::kUint64, "-1", ""},
      {DType::kUint64, "-9223372036854775807", ""},
      {DType::kBool, "true", "true"},
      {DType::kBool, "1", ""},
      {DType::kString, R"("a\n\u00e9\ud83d\ude00\/")", "'a\n\xC3\xA9\xF0\x9F\x98\x80/'"},
      {DType::kString, R"("\udc00")", "'\xED\xB0\x80'"},
      {DType::kString, "1", ""},
      {DType::kString, R"({"b64":"aG\u006b="})", "'hi'"},
      {DType::kString, R"({"b64":" aG\nk "})", "'hi'"},
      {DType::kString, R"({"b64":""})", "''"},
  };
  for (const TypeRow& row : rows) {
    const engine::Signature signature = Identity(row.dtype);
    const std::string text = DecodeText(signature, "{\"inputs\":[" + row.value + "]}");
    const std::string name(tensor::Name(row.dtype));
    if (row.expected.empty()) {
      EXPECT_THAT(text, testing::HasSubstr(" is not of expected type: " + name)) << row.value;
    } else {
      EXPECT_EQ(text, "x: " + name + "[1] " + row.expected) << row.value;
    }
  }
}

TEST(PredictDecoderTest, Base64ThatIsNone) {
  for (const char* text : {"!!", "a-_b", "a", "aGk=x"}) {
    EXPECT_EQ(DecodeText(kC, std::string("{\"inputs\":{\"img\":{\"b64\":\"") + text + "\"}}}"),
              "INVALID_ARGUMENT: Unable to base64 decode")
        << text;
  }
  EXPECT_EQ(DecodeText(kC, R"({"inputs":{"img":{"b64":"YQ==","x":1}}})"),
            "INVALID_ARGUMENT: JSON Value: {\n    \"b64\": \"YQ==\",\n    \"x\": 1\n} not "
            "formatted correctly for base64 data");
}

TEST(PredictDecoderTest, TypesWithoutJson) {
  for (DType dtype : {DType::kUint16, DType::kHalf, DType::kBfloat16, DType::kComplex64,
                      DType::kQint8, DType::kFloat8E5m2}) {
    const engine::Signature signature = Identity(dtype);
    const std::string name(tensor::Name(dtype));
    EXPECT_EQ(DecodeText(signature, R"({"inputs":[0.1]})"),
              "UNIMPLEMENTED: Conversion of JSON Value: 0.1 to type: " + name);
    EXPECT_EQ(DecodeText(signature, R"({"instances":["a"]})"),
              "INVALID_ARGUMENT: Failed to process element: 0 of 'instances' list. Error: "
              "UNIMPLEMENTED: Conversion of JSON Value: \"a\" to type: " +
                  name);
    EXPECT_EQ(DecodeText(signature, R"({"inputs":[]})"), "x: " + name + "[0]");
  }
  EXPECT_EQ(DecodeText(Identity(DType::kResource), R"({"inputs":[]})"),
            "INVALID_ARGUMENT: tensor parsing error: x");
}

TEST(PredictDecoderTest, DepthIsBoundedAndRefusedInLinearTime) {
  const size_t million = 1000 * 1000;
  EXPECT_EQ(DecodeText(kA, "{\"a\":" + std::string(million, '[')),
            "INVALID_ARGUMENT: JSON Parse error: More than 1000 levels of nesting. at offset: "
            "1004");
  EXPECT_EQ(DecodeText(kA, std::string(999, '[') + "x"),
            "INVALID_ARGUMENT: JSON Parse error: Invalid value. at offset: 999");
  const std::string deep = std::string(998, '[') + std::string(998, ']');
  EXPECT_EQ(DecodeText(kA, "{\"instances\":[5],\"a\":" + deep + "}"), "x: float[1] 5");
  const std::string rank255 = std::string(255, '[') + "1" + std::string(255, ']');
  EXPECT_EQ(DecodeText(kA, "{\"inputs\":" + rank255 + "}"),
            "INVALID_ARGUMENT: tensor parsing error: x");
}

TEST(PredictDecoderTest, ShapeThatPromisesTooMuchTakesNoMemory) {
  // First children say [n, n, n]; the text holds 3 n values.
  std::string ones = "1";
  for (int i = 1; i < 3000; ++i) ones += ",1";
  const std::string list = "[" + ones + "]";
  EXPECT_EQ(DecodeText(kA, "{\"inputs\":[[" + list + "," + ones + "]," + ones + "]}"),
            "INVALID_ARGUMENT: JSON Value: 1 found at incorrect level: 3 in the JSON DOM. Expected "
            "at level: 3");
}

TEST(PredictDecoderTest, DebugTextStopsAtItsLimit) {
  // 85 tokens of 3 bytes behind the bracket make 256.
  std::string values = "10";
  for (int i = 1; i < 200; ++i) values += ",1";
  const std::string text = DecodeText(kA, "[" + values + "]");
  const std::string prefix = "INVALID_ARGUMENT: JSON Value: ";
  const std::string suffix = " Is not object";
  ASSERT_TRUE(text.starts_with(prefix) && text.ends_with(suffix)) << text;
  std::string expected = "[10";
  while (expected.size() < 256) expected += ", 1";
  EXPECT_EQ(text.substr(prefix.size(), text.size() - prefix.size() - suffix.size()), expected);
  // One long string is not cut, and a word that is no number ends the text.
  EXPECT_EQ(DecodeText(kA, "\"" + std::string(1000, 'a') + "\""),
            prefix + "\"" + std::string(1000, 'a') + "\"" + suffix);
  EXPECT_EQ(DecodeText(kA, "[1, NaN, 2]"), prefix + "[1, " + suffix);
}

TEST(PredictDecoderTest, FormatAndPortsAreSet) {
  const engine::Signature signature = MakeSignature(
      {MakePort("x", DType::kFloat)}, {MakePort("a", DType::kFloat), MakePort("b", DType::kFloat)});
  auto row =
      PredictBody::Parse(base::Buffer::Copy(R"({"signature_name":"s\u0031","instances":[1]})"));
  ASSERT_TRUE(row.ok());
  EXPECT_EQ(row->signature_name(), "s1");
  auto decoded = row->Decode(signature);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->format, PredictBody::Format::kRow);
  EXPECT_EQ(decoded->request.signature, &signature);
  EXPECT_THAT(decoded->request.output_ports, testing::ElementsAre(0, 1));
  EXPECT_THAT(decoded->request.input_ports, testing::ElementsAre(0));
  auto columnar = PredictBody::Parse(base::Buffer::Copy(R"({"inputs":[1]})"));
  ASSERT_TRUE(columnar.ok());
  EXPECT_EQ(columnar->signature_name(), "");
  EXPECT_EQ(columnar->Decode(signature)->format, PredictBody::Format::kColumnar);
}

TEST(PredictDecoderTest, StringsOutliveTheBody) {
  tensor::Tensor tensor;
  {
    auto body = PredictBody::Parse(
        base::Buffer::Copy(R"({"inputs":["plain","esc\u0061ped",{"b64":"aGVsbG8gd29ybGQ="}]})"));
    ASSERT_TRUE(body.ok());
    tensor = body->Decode(Identity(DType::kString))->request.inputs[0];
  }
  EXPECT_EQ(TensorText(tensor), "string[3] 'plain' 'escaped' 'hello world'");
}

}  // namespace
}  // namespace baton::codec::rest
