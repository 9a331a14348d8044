// What it costs to turn a ClassificationRequest into the graph's input, per request: ours, and the
// four steps of TensorFlow Serving in the open (parse, serialize the Input, parse it again as a
// list of byte strings, copy each). An example has 13 floats and 26 short byte strings, 750 bytes.
//
//   ninja -C build/release example_codec_bench && build/release/src/codec/grpc/example_codec_bench
//
// bench/examples.py runs it and prints the ratio.

#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>
#include <vector>

#include "codec/grpc/example_codec.h"
#include "codec/grpc/wire_reader.h"
#include "tensorflow_serving/apis/classification.pb.h"

namespace baton::codec::grpc {
namespace {

namespace tfs = tensorflow::serving;

tensorflow::Example MakeExample(int seed) {
  tensorflow::Example example;
  auto& features = *example.mutable_features()->mutable_feature();
  for (int i = 0; i < 13; ++i) {
    char name[8];
    std::snprintf(name, sizeof(name), "I%d", i + 1);
    features[name].mutable_float_list()->add_value(static_cast<float>(seed + i) * 0.5f);
  }
  for (int i = 0; i < 26; ++i) {
    char name[8], value[16];
    std::snprintf(name, sizeof(name), "C%d", i + 1);
    std::snprintf(value, sizeof(value), "%08x", static_cast<unsigned>(seed * 7919 + i));
    features[name].mutable_bytes_list()->add_value(value);
  }
  return example;
}

std::string MakeRequest(int64_t examples, bool has_context) {
  tfs::ClassificationRequest request;
  request.mutable_model_spec()->set_name("wide_and_deep");
  request.mutable_model_spec()->set_signature_name("classify");
  if (has_context) {
    auto& list = *request.mutable_input()->mutable_example_list_with_context();
    *list.mutable_context() = MakeExample(4711);
    for (int i = 0; i < examples; ++i) *list.add_examples() = MakeExample(i);
  } else {
    auto& list = *request.mutable_input()->mutable_example_list();
    for (int i = 0; i < examples; ++i) *list.add_examples() = MakeExample(i);
  }
  return request.SerializeAsString();
}

// Args: examples; with a context or not.
void BM_Views(benchmark::State& state) {
  const base::Buffer message = base::Buffer::Copy(MakeRequest(state.range(0), state.range(1) != 0));
  for (auto _ : state) {
    const auto view = ParseClassificationRequest(message.view());
    benchmark::DoNotOptimize(ReadExamples(view->examples, message));
  }
  state.SetLabel(std::to_string(message.size()) + " bytes");
}
BENCHMARK(BM_Views)->ArgsProduct({{1, 10, 100}, {0}})->Args({100, 1});

// SerializedInput has no generated class here; reading its list of byte strings takes as little as
// it can, each string copied once, as protobuf's parser does.
void ParseSerializedInput(std::string_view bytes, std::vector<std::string>* examples) {
  WireReader input(bytes);
  while (input.Next()) {
    WireReader list(input.bytes());
    while (list.Next()) examples->emplace_back(list.bytes());
  }
}

void BM_ProtobufTwice(benchmark::State& state) {
  const std::string message = MakeRequest(state.range(0), false);
  for (auto _ : state) {
    tfs::ClassificationRequest request;
    request.ParseFromString(message);
    const std::string input = request.input().SerializeAsString();
    std::vector<std::string> serialized;
    ParseSerializedInput(input, &serialized);
    std::vector<std::string> tensor(serialized.begin(), serialized.end());
    benchmark::DoNotOptimize(tensor);
  }
}
BENCHMARK(BM_ProtobufTwice)->Arg(1)->Arg(10)->Arg(100);

}  // namespace
}  // namespace baton::codec::grpc
