// Any bytes as a PredictRequest: what protobuf accepts is read the same by ours, what only ours
// accepts has a bad tensor (those are looked into later), and binding and searching never leave the
// message.

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <cstdlib>

#include "codec/grpc/predict_codec.h"
#include "codec/grpc/wire_reader.h"
#include "tensorflow_serving/apis/predict.pb.h"

namespace baton::codec::grpc {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

bool Parses(std::string_view tensor, tensorflow::TensorProto* proto) {
  return proto->ParseFromArray(tensor.data(), static_cast<int>(tensor.size()));
}

void RequireSameSpec(const predict::ModelSpec& spec, const tensorflow::serving::ModelSpec& proto) {
  Require(spec.name == proto.name() && spec.signature_name == proto.signature_name());
  Require(spec.version.has_value() == proto.has_version());
  Require(!spec.version || *spec.version == proto.version().value());
  Require(spec.label.has_value() == proto.has_version_label());
  Require(!spec.label || *spec.label == proto.version_label());
}

void RequireSame(const PredictRequestView& view, const tensorflow::serving::PredictRequest& proto) {
  Require(view.spec.has_value() == proto.has_model_spec());
  if (view.spec) RequireSameSpec(*view.spec, proto.model_spec());
  Require(view.inputs.size() == static_cast<size_t>(proto.inputs_size()));
  for (const auto& input : view.inputs) {
    const auto it = proto.inputs().find(std::string(input.name));
    tensorflow::TensorProto tensor;
    Require(it != proto.inputs().end() && Parses(input.tensor, &tensor));
    Require(tensor.SerializeAsString() == it->second.SerializeAsString());
  }
  Require(view.output_filter.size() == static_cast<size_t>(proto.output_filter_size()));
  for (int i = 0; i < proto.output_filter_size(); ++i) {
    Require(view.output_filter[static_cast<size_t>(i)] == proto.output_filter(i));
  }
}

// Whether some value of some map entry, overwritten ones included, is no TensorProto. Tensors that
// nest deeply are not told apart from bad ones.
bool HasBadTensor(std::string_view message) {
  WireReader request(message);
  while (request.Next()) {
    if (request.field() != 2 || !request.is_bytes()) continue;
    WireReader entry(request.bytes());
    while (entry.Next()) {
      if (entry.field() != 2 || !entry.is_bytes()) continue;
      tensorflow::TensorProto tensor;
      google::protobuf::io::CodedInputStream stream(
          reinterpret_cast<const uint8_t*>(entry.bytes().data()),
          static_cast<int>(entry.bytes().size()));
      stream.SetRecursionLimit(kMaxWireDepth - 2);
      if (!tensor.ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage()) return true;
    }
  }
  return false;
}

// A signature that takes whatever the request sends, with one input of its own that has a default.
engine::Signature SignatureOf(const PredictRequestView& view) {
  engine::Signature signature;
  for (const auto& input : view.inputs) {
    signature.inputs.push_back(
        {.name = std::string(input.name), .tensor_name = "t:0", .dtype = {}, .shape = {}});
  }
  signature.inputs.push_back(
      {.name = "a default", .tensor_name = "d:0", .dtype = {}, .shape = {}, .has_default = true});
  std::sort(signature.inputs.begin(), signature.inputs.end(),
            [](const engine::Port& a, const engine::Port& b) { return a.name < b.name; });
  signature.outputs.push_back({.name = "y", .tensor_name = "y:0", .dtype = {}, .shape = {}});
  return signature;
}

// Large tensors made of little would only be slow.
bool IsSmall(const tensorflow::serving::PredictRequest& proto) {
  for (const auto& [name, tensor] : proto.inputs()) {
    double count = 1;
    for (const auto& dim : tensor.tensor_shape().dim()) count *= static_cast<double>(dim.size());
    if (count > 1e6) return false;
  }
  return true;
}

void CheckRequest(std::string_view bytes) {
  const base::Buffer message = base::Buffer::Copy(bytes);
  tensorflow::serving::PredictRequest proto;
  const bool parses = proto.ParseFromArray(message.data(), static_cast<int>(message.size()));
  const absl::StatusOr<PredictRequestView> view = ParsePredictRequest(message.view());
  if (parses) {
    Require(view.ok());
    RequireSame(*view, proto);
    if (IsSmall(proto))
      BindPredictRequest(*view, message, SignatureOf(*view)).status().IgnoreError();
  } else if (view.ok()) {
    Require(HasBadTensor(message.view()));
  }
  Require(FindTensorContent(message.view()) <= message.size());
}

}  // namespace
}  // namespace baton::codec::grpc

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  google::protobuf::SetLogHandler(nullptr);  // it says much about bytes that are no UTF-8
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  baton::codec::grpc::CheckRequest({reinterpret_cast<const char*>(data), size});
  return 0;
}
