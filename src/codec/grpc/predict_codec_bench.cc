// What the codec costs per request: a tiny Predict, and tensors of a megabyte in their two
// encodings.

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "codec/grpc/predict_codec.h"
#include "tensorflow_serving/apis/predict.pb.h"

namespace baton::codec::grpc {
namespace {

engine::Signature MakeSignature() {
  engine::Signature signature;
  signature.name = "serving_default";
  signature.inputs = {
      {.name = "x", .tensor_name = "x:0", .dtype = tensor::DType::kFloat, .shape = {}}};
  signature.outputs = {
      {.name = "y", .tensor_name = "y:0", .dtype = tensor::DType::kFloat, .shape = {}}};
  return signature;
}

tensorflow::serving::PredictRequest MakeRequest(int64_t count, bool as_content) {
  tensorflow::serving::PredictRequest request;
  request.mutable_model_spec()->set_name("half_plus_two");
  tensorflow::TensorProto& tensor = (*request.mutable_inputs())["x"];
  tensor.set_dtype(tensorflow::DT_FLOAT);
  tensor.mutable_tensor_shape()->add_dim()->set_size(count);
  const std::vector<float> values(static_cast<size_t>(count), 1.5f);
  if (as_content) {
    tensor.set_tensor_content(values.data(), values.size() * sizeof(float));
  } else {
    tensor.mutable_float_val()->Assign(values.begin(), values.end());
  }
  return request;
}

// Args: elements, tensor_content or not.
void BM_ParseAndBind(benchmark::State& state) {
  const engine::Signature signature = MakeSignature();
  const std::string bytes = MakeRequest(state.range(0), state.range(1) != 0).SerializeAsString();
  // Placed as the transport places it: the tensor's bytes are aligned.
  const size_t shift = (64 - FindTensorContent(bytes) % 64) % 64;
  const base::Buffer message =
      base::Buffer::Copy(std::string(shift, '\0') + bytes).Slice(shift, bytes.size());
  for (auto _ : state) {
    auto view = ParsePredictRequest(message.view());
    benchmark::DoNotOptimize(BindPredictRequest(*view, message, signature));
  }
}
BENCHMARK(BM_ParseAndBind)->ArgsProduct({{1, 1 << 18}, {0, 1}});

void BM_ParseWithProtobuf(benchmark::State& state) {
  const std::string bytes = MakeRequest(state.range(0), state.range(1) != 0).SerializeAsString();
  for (auto _ : state) {
    tensorflow::serving::PredictRequest request;
    benchmark::DoNotOptimize(request.ParseFromString(bytes));
  }
}
BENCHMARK(BM_ParseWithProtobuf)->ArgsProduct({{1, 1 << 18}, {0, 1}});

void BM_Encode(benchmark::State& state) {
  const engine::Signature signature = MakeSignature();
  const std::vector<float> values(static_cast<size_t>(state.range(0)), 1.5f);
  predict::PredictResponse response;
  response.outputs.push_back(tensor::Tensor::FromValues<float>(
      tensor::DType::kFloat, {state.range(0)}, std::span(values)));
  const lifecycle::ServableId id{"half_plus_two", 123};
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        EncodePredictResponse(id, signature, {0}, response, TensorEncoding::kTypedField, 5));
  }
}
BENCHMARK(BM_Encode)->Arg(1)->Arg(1 << 18);

}  // namespace
}  // namespace baton::codec::grpc
