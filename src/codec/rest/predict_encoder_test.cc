#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "codec/rest/predict_codec.h"
#include "codec/rest/test_signatures.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::codec::rest {
namespace {

using tensor::DType;
using tensor::Shape;
using tensor::Tensor;
using Format = PredictBody::Format;

template <typename T>
Tensor Make(DType dtype, Shape shape, const std::vector<T>& values) {
  return Tensor::FromValues<T>(dtype, std::move(shape), values);
}
Tensor Floats(Shape shape, const std::vector<float>& values) {
  return Make<float>(DType::kFloat, std::move(shape), values);
}
Tensor Strings(Shape shape, const std::vector<std::string_view>& values) {
  return Tensor::FromStrings(std::move(shape), values);
}

struct Output {
  std::string name;
  Tensor tensor;
};

std::string Encode(Format format, const std::vector<Output>& outputs) {
  engine::Signature signature;
  predict::PredictResponse response;
  std::vector<uint32_t> ports;
  for (const Output& output : outputs) {
    ports.push_back(static_cast<uint32_t>(signature.outputs.size()));
    signature.outputs.push_back(MakePort(output.name, output.tensor.dtype()));
    response.outputs.push_back(output.tensor);
  }
  auto text = EncodePredictResponse(signature, ports, response, format);
  if (!text.ok()) {
    return base::StrCat(base::CodeName(text.status().code()), ": ", base::Message(text.status()));
  }
  return std::string(text->view());
}

TEST(PredictEncoderTest, RowsOfOneOutput) {
  EXPECT_EQ(Encode(Format::kRow, {{"y", Floats({3}, {2.5, 3, 4.5})}}),
            "{\n    \"predictions\": [2.5, 3.0, 4.5\n    ]\n}");
  EXPECT_EQ(Encode(Format::kRow, {{"y", Floats({2, 2}, {1.5, 2, 1.5, 2})}}),
            "{\n    \"predictions\": [[1.5, 2.0], [1.5, 2.0]\n    ]\n}");
  EXPECT_EQ(Encode(Format::kRow, {{"y", Floats({1, 2, 2, 1}, {1, 2, 3, 4})}}),
            "{\n    \"predictions\": [[[[1.0], [2.0]], [[3.0], [4.0]]]\n    ]\n}");
  EXPECT_EQ(Encode(Format::kRow, {{"y", Floats({2, 0}, {})}}),
            "{\n    \"predictions\": [[], []\n    ]\n}");
}

TEST(PredictEncoderTest, RowsOfSeveralOutputs) {
  const std::string row =
      "        {\n"
      "            \"a\": 1.5,\n"
      "            \"b\": [1, 2],\n"
      "            \"c\": [[1], [2]]\n"
      "        }";
  EXPECT_EQ(Encode(Format::kRow, {{"a", Floats({2}, {1.5, 1.5})},
                                  {"b", Make<int32_t>(DType::kInt32, {2, 2}, {1, 2, 1, 2})},
                                  {"c", Make<int64_t>(DType::kInt64, {2, 2, 1}, {1, 2, 1, 2})}}),
            "{\n    \"predictions\": [\n" + row + ",\n" + row + "\n    ]\n}");
}

TEST(PredictEncoderTest, BytesOutputs) {
  EXPECT_EQ(Encode(Format::kRow, {{"y_bytes", Strings({2}, {"hi", "yo"})}}),
            "{\n    \"predictions\": [{\n            \"b64\": \"aGk=\"\n        }, {\n            "
            "\"b64\": \"eW8=\"\n        }\n    ]\n}");
  EXPECT_EQ(Encode(Format::kRow, {{"y_bytes", Strings({2, 1}, {"hi", "yo"})}}),
            "{\n    \"predictions\": [[{\n                \"b64\": \"aGk=\"\n            }], "
            "[{\n                \"b64\": \"eW8=\"\n            }]\n    ]\n}");
  EXPECT_EQ(
      Encode(Format::kRow, {{"s_bytes", Strings({1}, {"x"})}, {"text", Strings({1}, {"xx"})}}),
      "{\n    \"predictions\": [\n        {\n            \"s_bytes\": {\n                "
      "\"b64\": \"eA==\"\n            },\n            \"text\": \"xx\"\n        }\n    ]\n}");
  EXPECT_EQ(
      Encode(Format::kColumnar, {{"img", Make<int32_t>(DType::kInt32, {2}, {3, 1})},
                                 {"img_bytes", Strings({2}, {"abc", "\xff"})}}),
      "{\n    \"outputs\": {\n        \"img\": [\n            3,\n            1\n        "
      "],\n        \"img_bytes\": [\n            {\n                \"b64\": \"YWJj\"\n       "
      "     },\n            {\n                \"b64\": \"/w==\"\n            }\n        "
      "]\n    }\n}");
  // Only strings are bytes.
  EXPECT_EQ(Encode(Format::kRow, {{"n_bytes", Make<int32_t>(DType::kInt32, {1}, {3})}}),
            "{\n    \"predictions\": [3\n    ]\n}");
}

TEST(PredictEncoderTest, NoRows) {
  EXPECT_EQ(Encode(Format::kRow, {{"y", Floats({0, 3}, {})}}), "{\n    \"predictions\": []\n}");
  EXPECT_EQ(Encode(Format::kRow, {{"y", Floats({0}, {})}, {"z", Floats({0, 2}, {})}}),
            "{\n    \"predictions\": []\n}");
}

TEST(PredictEncoderTest, Columns) {
  EXPECT_EQ(Encode(Format::kColumnar, {{"y", Floats({2}, {2.5, 3})}}),
            "{\n    \"outputs\": [\n        2.5,\n        3.0\n    ]\n}");
  EXPECT_EQ(Encode(Format::kColumnar, {{"y", Floats({}, {3})}}), "{\n    \"outputs\": 3.0\n}");
  EXPECT_EQ(
      Encode(Format::kColumnar, {{"a", Floats({1, 1}, {2.5})}, {"s", Floats({}, {3})}}),
      "{\n    \"outputs\": {\n        \"a\": [\n            [\n                2.5\n          "
      "  ]\n        ],\n        \"s\": 3.0\n    }\n}");
  EXPECT_EQ(
      Encode(Format::kColumnar, {{"y", Floats({2, 1, 2}, {1, 2, 3, 4})}}),
      "{\n    \"outputs\": [\n        [\n            [\n                1.0,\n                "
      "2.0\n            ]\n        ],\n        [\n            [\n                3.0,\n       "
      "         4.0\n            ]\n        ]\n    ]\n}");
  for (const Shape& empty : {Shape({0}), Shape({2, 0}), Shape({0, 3})}) {
    EXPECT_EQ(Encode(Format::kColumnar, {{"y", Floats(empty, {})}}), "{\n    \"outputs\": []\n}");
  }
  EXPECT_EQ(Encode(Format::kColumnar, {{"a", Floats({0}, {})}, {"b", Floats({0, 2}, {})}}),
            "{\n    \"outputs\": {\n        \"a\": [],\n        \"b\": []\n    }\n}");
}

TEST(PredictEncoderTest, ElementsOfEveryType) {
  const auto row = [](Tensor tensor) {
    const std::string text = Encode(Format::kRow, {{"y", std::move(tensor)}});
    const std::string begin = "{\n    \"predictions\": [", end = "\n    ]\n}";
    return text.substr(begin.size(), text.size() - begin.size() - end.size());
  };
  EXPECT_EQ(row(Make<int8_t>(DType::kInt8, {2}, {-128, 127})), "-128, 127");
  EXPECT_EQ(row(Make<uint8_t>(DType::kUint8, {2}, {0, 255})), "0, 255");
  EXPECT_EQ(row(Make<int16_t>(DType::kInt16, {2}, {-32768, 9})), "-32768, 9");
  EXPECT_EQ(row(Make<uint32_t>(DType::kUint32, {2}, {4294967295, 10})), "4294967295, 10");
  EXPECT_EQ(row(Make<int64_t>(DType::kInt64, {2}, {INT64_MIN, INT64_MAX})),
            "-9223372036854775808, 9223372036854775807");
  EXPECT_EQ(row(Make<uint64_t>(DType::kUint64, {2}, {UINT64_MAX, 100})),
            "18446744073709551615, 100");
  const bool flags[] = {true, false};
  EXPECT_EQ(row(Tensor::FromValues<bool>(DType::kBool, {2}, flags)), "true, false");
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(row(Floats({3}, {NAN, inf, -inf})), "NaN, Infinity, -Infinity");
  EXPECT_EQ(row(Make<double>(DType::kDouble, {2}, {-0.0, -NAN})), "-0.0, NaN");
  EXPECT_EQ(row(Strings({1}, {std::string_view("\"\\/\b\f\n\r\t\0\x1f\x7f\xff\xc3\xa9", 14)})),
            "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001F\x7f\xff\xc3\xa9\"");
  const std::string large(10000, '\n');
  std::string escaped = "\"";
  for (size_t i = 0; i < large.size(); ++i) escaped += "\\n";
  EXPECT_EQ(row(Strings({1}, {large})), escaped + "\"");
}

TEST(PredictEncoderTest, Errors) {
  EXPECT_EQ(Encode(Format::kRow, {}), "INVALID_ARGUMENT: Cannot convert empty tensor map to JSON");
  EXPECT_EQ(Encode(Format::kRow, {{"y", Floats({}, {1})}}),
            "INVALID_ARGUMENT: Tensor name: y has no shape information ");
  EXPECT_EQ(Encode(Format::kRow, {{"a", Floats({2}, {1, 2})}, {"b", Floats({3}, {1, 2, 3})}}),
            "INVALID_ARGUMENT: Tensor name: b has inconsistent batch size: 3 expecting: 2");
  for (DType dtype : {DType::kHalf, DType::kUint16, DType::kComplex64, DType::kQint8}) {
    Tensor tensor = Tensor::Allocate(dtype, {1}).value();
    std::fill_n(tensor.mutable_values<char>().data(), tensor.buffer().size(), char{0});
    for (Format format : {Format::kRow, Format::kColumnar}) {
      EXPECT_EQ(Encode(format, {{"y", tensor}}),
                base::StrCat("INVALID_ARGUMENT: Failed to write JSON value for tensor type: ",
                             tensor::Name(dtype)));
    }
    EXPECT_EQ(Encode(Format::kColumnar, {{"y", Tensor::Allocate(dtype, {0}).value()}}),
              "{\n    \"outputs\": []\n}");
  }
}

TEST(ErrorBodyTest, IsAnIndentedObjectWithoutFinalNewline) {
  EXPECT_EQ(ErrorBody("Servable not found for request: Latest(nosuch)"),
            "{\n    \"error\": \"Servable not found for request: Latest(nosuch)\"\n}");
  EXPECT_EQ(ErrorBody("a\"b\\c/\n\x01\xff"), "{\n    \"error\": \"a\\\"b\\\\c/\\n\\u0001\xff\"\n}");
}

}  // namespace
}  // namespace baton::codec::rest
