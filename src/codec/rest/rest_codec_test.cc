// The codec against itself: what it writes it reads back as the same tensors.

#include <random>
#include <string>
#include <vector>

#include "codec/rest/predict_codec.h"
#include "codec/rest/test_signatures.h"
#include "gtest/gtest.h"

namespace baton::codec::rest {
namespace {

using tensor::DType;
using tensor::Shape;
using tensor::Tensor;
using Format = PredictBody::Format;

constexpr DType kTypes[] = {DType::kFloat,  DType::kDouble, DType::kInt8,  DType::kInt16,
                            DType::kInt32,  DType::kInt64,  DType::kUint8, DType::kUint32,
                            DType::kUint64, DType::kBool,   DType::kString};

Shape RandomShape(std::mt19937_64& random, size_t min_rank) {
  Shape shape;
  const size_t rank = min_rank + random() % 4;
  for (size_t i = 0; i < rank; ++i) shape.Append(static_cast<int64_t>(random() % 4 + 1));
  return shape;
}

Tensor RandomTensor(DType dtype, const Shape& shape, std::mt19937_64& random) {
  const auto count = static_cast<size_t>(*shape.NumElements());
  if (dtype == DType::kString) {
    std::vector<std::string> texts(count);
    for (std::string& text : texts) {
      for (size_t n = random() % 20; n > 0; --n) text += static_cast<char>(random());
    }
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    return Tensor::FromStrings(shape, views);
  }
  Tensor tensor = Tensor::Allocate(dtype, shape).value();
  for (char& byte :
       std::span(tensor.buffer().size() > 0 ? const_cast<char*>(tensor.buffer().data()) : nullptr,
                 tensor.buffer().size())) {
    byte = static_cast<char>(dtype == DType::kBool ? random() & 1 : random());
  }
  return tensor;
}

// Not-a-number has many bit patterns and one word.
void ExpectSame(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.dtype(), b.dtype());
  ASSERT_EQ(a.shape(), b.shape());
  for (size_t i = 0; i < static_cast<size_t>(a.num_elements()); ++i) {
    if (a.dtype() == DType::kFloat) {
      if (std::isnan(a.values<float>()[i])) continue;
      ASSERT_EQ(a.values<float>()[i], b.values<float>()[i]);
    } else if (a.dtype() == DType::kDouble) {
      if (std::isnan(a.values<double>()[i])) continue;
      ASSERT_EQ(a.values<double>()[i], b.values<double>()[i]);
    } else {
      ASSERT_EQ(ElementText(a, i), ElementText(b, i));
    }
  }
}

TEST(RestCodecTest, AnswersReadBackAsRequests) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 4000; ++i) {
    const Format format = i % 2 == 0 ? Format::kRow : Format::kColumnar;
    const bool is_row = format == Format::kRow;
    const int64_t rows = static_cast<int64_t>(random() % 4 + 1);
    engine::Signature signature;
    predict::PredictResponse response;
    std::vector<uint32_t> ports;
    for (uint32_t port = 0; port < random() % 3 + 1; ++port) {
      const DType dtype = kTypes[random() % std::size(kTypes)];
      // Strings may be invalid UTF-8 and keep their bytes either way.
      signature.inputs.push_back(
          MakePort("p" + std::to_string(port) + (i % 3 == 0 ? "_bytes" : ""), dtype));
      Shape shape = RandomShape(random, 0);
      if (is_row) shape.Prepend(rows);
      response.outputs.push_back(RandomTensor(dtype, shape, random));
      ports.push_back(port);
    }
    signature.outputs = signature.inputs;
    auto text = EncodePredictResponse(signature, ports, response, format);
    ASSERT_TRUE(text.ok());
    std::string body(text->view());
    body.replace(body.find(is_row ? "predictions" : "outputs"), is_row ? 11 : 7,
                 is_row ? "instances" : "inputs");
    auto parsed = PredictBody::Parse(base::Buffer::FromString(body));
    ASSERT_TRUE(parsed.ok()) << parsed.status() << body;
    auto decoded = parsed->Decode(signature);
    ASSERT_TRUE(decoded.ok()) << decoded.status() << body;
    for (size_t port = 0; port < ports.size(); ++port) {
      ExpectSame(decoded->request.inputs[port], response.outputs[port]);
    }
  }
}

}  // namespace
}  // namespace baton::codec::rest
