// Hostile classify and regress bodies: what is accepted are Examples that protobuf accepts and
// writes in the same length, each with the context in front; what is not is a Status.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "codec/rest/example_codec.h"
#include "tensorflow/core/example/example.pb.h"

namespace baton::codec::rest {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

// Duplicate names make protobuf's message shorter than ours, never longer.
void CheckExample(std::string_view bytes) {
  tensorflow::Example example;
  Require(example.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  Require(example.ByteSizeLong() <= bytes.size());
}

// Values of the body as scores and labels of an answer.
void Answer(const tensor::Tensor& examples) {
  const auto count = static_cast<size_t>(examples.num_elements());
  std::vector<float> scores;
  for (size_t i = 0; i < count; ++i) {
    scores.push_back(static_cast<float>(examples.strings()[i].size) / 7);
  }
  Require(EncodeClassifications({count, 1, examples.strings(), scores}).ok());
  Require(EncodeRegressions({scores}).ok());
}

}  // namespace
}  // namespace baton::codec::rest

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  google::protobuf::SetLogHandler(nullptr);  // it says much about bytes that are no UTF-8
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace baton::codec::rest;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto body = ExampleBody::Parse(baton::base::Buffer::Copy(text));
  if (!body.ok()) return 0;
  // protobuf refuses names that are no UTF-8; TensorFlow's graphs, which read the bytes, do not.
  const bool is_ascii =
      std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
  for (const baton::tensor::StringRef& example : body->examples.strings()) {
    if (is_ascii) CheckExample(example.view());
  }
  Answer(body->examples);
  return 0;
}
