// One image, 1x224x224x3 floats, in and out as JSON text, next to RapidJSON's tree and writer.
//   predict_codec_bench --benchmark_filter=Decode

#include <benchmark/benchmark.h>

#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "codec/rest/number_text.h"
#include "codec/rest/predict_codec.h"
#include "codec/rest/test_signatures.h"
#include "rapidjson/document.h"
#include "rapidjson/prettywriter.h"
#include "rapidjson/stringbuffer.h"

namespace baton::codec::rest {
namespace {

constexpr int kSide = 224;
constexpr int kChannels = 3;
constexpr size_t kCount = size_t{kSide} * kSide * kChannels;

// How the numbers of a body look.
const char* const kFormats[] = {"%.4f", "%.9g", "%.17g", "%.0f"};

std::string ImageBody(const char* format) {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> values(0, format[2] == '0' ? 255 : 1);
  std::string body = "{\"instances\": [";
  for (int y = 0; y < kSide; ++y) {
    body += y == 0 ? "[[" : ", [";
    for (int x = 0; x < kSide; ++x) {
      body += x == 0 ? "[" : ", [";
      for (int c = 0; c < kChannels; ++c) {
        char text[40];
        std::snprintf(text, sizeof(text), format, values(random));
        body += c == 0 ? "" : ", ";
        body += text;
      }
      body += "]";
    }
    body += "]";
  }
  return body + "]]}";
}

void Decode(benchmark::State& state) {
  const std::string body = ImageBody(kFormats[state.range(0)]);
  const base::Buffer buffer = base::Buffer::Copy(body);
  const engine::Signature signature = Identity(tensor::DType::kFloat);
  for (auto _ : state) {
    auto decoded = PredictBody::Parse(buffer)->Decode(signature);
    benchmark::DoNotOptimize(decoded->request.inputs[0].bytes().data());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * body.size()));
  state.SetLabel(kFormats[state.range(0)]);
}
BENCHMARK(Decode)->DenseRange(0, 3)->Unit(benchmark::kMicrosecond);

void ParseOnly(benchmark::State& state) {
  const std::string body = ImageBody(kFormats[state.range(0)]);
  const base::Buffer buffer = base::Buffer::Copy(body);
  for (auto _ : state) benchmark::DoNotOptimize(PredictBody::Parse(buffer)->signature_name());
  state.SetLabel(kFormats[state.range(0)]);
}
BENCHMARK(ParseOnly)->DenseRange(0, 3)->Unit(benchmark::kMicrosecond);

void Collect(const rapidjson::Value& value, std::vector<float>& out) {
  if (!value.IsArray()) return out.push_back(value.GetFloat());
  for (const rapidjson::Value& child : value.GetArray()) Collect(child, out);
}

void DecodeWithRapidJson(benchmark::State& state) {
  const std::string body = ImageBody(kFormats[state.range(0)]);
  for (auto _ : state) {
    rapidjson::Document document;
    document.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseNanAndInfFlag>(body.data(),
                                                                                    body.size());
    std::vector<float> values;
    Collect(document["instances"], values);
    benchmark::DoNotOptimize(values.data());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * body.size()));
  state.SetLabel(kFormats[state.range(0)]);
}
BENCHMARK(DecodeWithRapidJson)->DenseRange(0, 3)->Unit(benchmark::kMicrosecond);

void DecodeFourFloats(benchmark::State& state) {
  const base::Buffer buffer = base::Buffer::Copy(R"({"instances": [[1.0, 2.5, -3.25, 4]]})");
  const engine::Signature signature = Identity(tensor::DType::kFloat);
  for (auto _ : state) {
    auto decoded = PredictBody::Parse(buffer)->Decode(signature);
    benchmark::DoNotOptimize(decoded->request.inputs[0].bytes().data());
  }
}
BENCHMARK(DecodeFourFloats);

tensor::Tensor Image() {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> values(0, 1);
  std::vector<float> floats(kCount);
  for (float& value : floats) value = values(random);
  return tensor::Tensor::FromValues<float>(tensor::DType::kFloat, {1, kSide, kSide, kChannels},
                                           floats);
}

void Encode(benchmark::State& state) {
  const engine::Signature signature = Identity(tensor::DType::kFloat);
  predict::PredictResponse response;
  response.outputs.push_back(Image());
  const auto format =
      state.range(0) == 0 ? PredictBody::Format::kRow : PredictBody::Format::kColumnar;
  for (auto _ : state) {
    benchmark::DoNotOptimize(EncodePredictResponse(signature, {0}, response, format)->data());
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kCount));
  state.SetLabel(state.range(0) == 0 ? "row" : "columnar");
}
BENCHMARK(Encode)->DenseRange(0, 1)->Unit(benchmark::kMicrosecond);

void EncodeWithRapidJson(benchmark::State& state) {
  const tensor::Tensor image = Image();
  for (auto _ : state) {
    rapidjson::StringBuffer text;
    rapidjson::PrettyWriter<rapidjson::StringBuffer> writer(text);
    writer.SetFormatOptions(rapidjson::kFormatSingleLineArray);
    writer.StartArray();
    for (float value : image.values<float>()) {
      char number[40];
      int size = std::snprintf(number, sizeof(number), "%.6g", static_cast<double>(value));
      if (std::strtof(number, nullptr) != value) {
        size = std::snprintf(number, sizeof(number), "%.9g", static_cast<double>(value));
      }
      writer.RawValue(number, static_cast<size_t>(size), rapidjson::kNumberType);
    }
    writer.EndArray();
    benchmark::DoNotOptimize(text.GetString());
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kCount));
}
BENCHMARK(EncodeWithRapidJson)->Unit(benchmark::kMicrosecond);

void DoubleText(benchmark::State& state) {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> values(0, 1);
  std::vector<double> doubles(4096);
  for (double& value : doubles) value = values(random);
  char room[kNumberRoom];
  for (auto _ : state) {
    for (double value : doubles) benchmark::DoNotOptimize(WriteDouble(value, room));
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * doubles.size()));
}
BENCHMARK(DoubleText);

}  // namespace
}  // namespace baton::codec::rest
