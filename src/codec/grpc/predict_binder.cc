#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "codec/grpc/predict_codec.h"
#include "codec/grpc/wire_reader.h"
#include "tensorflow/core/framework/resource_handle.pb.h"

namespace baton::codec::grpc {
namespace {

using Names = std::vector<std::string_view>;

// The depth left for a tensor: the request holds a map entry, which holds the tensor.
constexpr int kTensorDepth = kMaxWireDepth - 2;

std::string Join(const Names& names) {
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += ',';
    text += names[i];
  }
  return text;
}

Names RequestNames(const PredictRequestView& view) {
  Names names;
  for (const auto& input : view.inputs) names.push_back(input.name);
  std::sort(names.begin(), names.end());
  return names;
}

// Of sorted names: those in `a` that `b` does not have.
Names Difference(const Names& a, const Names& b) {
  Names result;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(result));
  return result;
}

template <typename Keep>
Names PortNames(const std::vector<engine::Port>& ports, Keep keep) {
  Names names;
  for (const engine::Port& port : ports) {
    if (keep(port)) names.push_back(port.name);
  }
  return names;
}

Names DefaultNames(const engine::Signature& signature) {
  return PortNames(signature.inputs, [](const engine::Port& port) { return port.has_default; });
}

absl::Status CheckInputCount(const PredictRequestView& view, const engine::Signature& signature) {
  const size_t sent = view.inputs.size();
  const size_t declared = signature.inputs.size();
  if (sent == declared) return absl::OkStatus();
  if (sent < declared && !DefaultNames(signature).empty()) return absl::OkStatus();
  const Names sent_names = RequestNames(view);
  const Names names = PortNames(signature.inputs, [](const engine::Port&) { return true; });
  const Names required =
      PortNames(signature.inputs, [](const engine::Port& port) { return !port.has_default; });
  return absl::InvalidArgumentError(base::StrCat(
      "input size does not match signature: ", sent, "!=", declared, " len({", Join(sent_names),
      "}) != len({", Join(names), "}). Sent extra: {", Join(Difference(sent_names, names)),
      "}. Missing but required: {", Join(Difference(required, sent_names)), "}."));
}

// Which input of the request goes to which port; nullptr where the request has none.
using InputOfPort = std::vector<const PredictRequestView::Input*>;

absl::Status CheckMissingInputs(const PredictRequestView& view, const engine::Signature& signature,
                                const InputOfPort& inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const engine::Port& port = signature.inputs[i];
    if (inputs[i] != nullptr || port.has_default) continue;
    return absl::InvalidArgumentError(
        base::StrCat("Signature input alias: ", port.name, "(feed name: ", port.tensor_name,
                     ") not found in request and no default value provided. Inputs expected to be "
                     "in the request {",
                     Join(RequestNames(view)),
                     "}, or default input alias set: ", Join(DefaultNames(signature))));
  }
  return absl::OkStatus();
}

absl::Status BindInputs(const PredictRequestView& view, const base::Buffer& message,
                        const engine::Signature& signature, predict::PredictRequest* request) {
  BATON_RETURN_IF_ERROR(CheckInputCount(view, signature));
  InputOfPort inputs(signature.inputs.size(), nullptr);
  bool has_unknown = false;
  for (const auto& input : view.inputs) {
    const std::optional<uint32_t> port = signature.FindInput(input.name);
    has_unknown |= !port;
    if (port) inputs[*port] = &input;
  }
  BATON_RETURN_IF_ERROR(CheckMissingInputs(view, signature, inputs));
  Names used;
  for (uint32_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i] == nullptr) continue;
    const base::Buffer& owner = inputs[i]->merged.empty() ? message : inputs[i]->merged;
    absl::StatusOr<tensor::Tensor> decoded = DecodeTensor(inputs[i]->tensor, owner, kTensorDepth);
    if (!decoded.ok()) {
      return absl::InvalidArgumentError(
          base::StrCat("tensor parsing error: ", signature.inputs[i].name));
    }
    request->input_ports.push_back(i);
    request->inputs.push_back(*std::move(decoded));
    if (has_unknown) used.push_back(signature.inputs[i].name);
  }
  if (!has_unknown) return absl::OkStatus();
  return absl::InvalidArgumentError(
      base::StrCat("Inputs contains invalid name. Used request inputs: ", Join(used),
                   ", request input: ", Join(RequestNames(view))));
}

absl::Status BindOutputs(const std::vector<std::string_view>& filter,
                         const engine::Signature& signature, std::vector<uint32_t>* output_ports) {
  if (filter.empty()) {
    for (uint32_t i = 0; i < signature.outputs.size(); ++i) output_ports->push_back(i);
    return absl::OkStatus();
  }
  std::vector<bool> seen(signature.outputs.size());
  for (const std::string_view alias : filter) {
    const std::optional<uint32_t> port = signature.FindOutput(alias);
    if (!port) {
      const Names names = PortNames(signature.outputs, [](const engine::Port&) { return true; });
      return absl::InvalidArgumentError(
          base::StrCat("output tensor alias not found in signature: ", alias,
                       " Outputs expected to be in the set {", Join(names), "}."));
    }
    if (seen[*port]) {
      return absl::InvalidArgumentError(base::StrCat("duplicate output tensor alias: ", alias));
    }
    seen[*port] = true;
    output_ports->push_back(*port);
  }
  return absl::OkStatus();
}

// What TensorFlow says when it tries to use a resource that came from outside.
absl::Status ResourceError(std::string_view tensor) {
  tensorflow::ResourceHandleProto handle;
  WireReader reader(tensor, kTensorDepth);
  while (reader.Next()) {
    if (reader.field() != 14 || !reader.is_bytes()) continue;
    // Decoding has seen that it parses; a scalar's only handle is the first.
    handle.ParseFromArray(reader.bytes().data(), static_cast<int>(reader.bytes().size()));
    break;
  }
  return absl::InvalidArgumentError(
      base::StrCat("Invalid resource type hash code: ", handle.hash_code(),
                   "(name: ", handle.name(), " type: ", handle.maybe_type_name(),
                   "). Perhaps a resource tensor was being provided as a feed? That is not "
                   "currently allowed. Please file an issue "
                   "at https://github.com/tensorflow/tensorflow/issues/new, ideally with a short "
                   "code snippet that leads to this "
                   "error message."));
}

}  // namespace

absl::StatusOr<predict::PredictRequest> BindPredictRequest(const PredictRequestView& view,
                                                           const base::Buffer& message,
                                                           const engine::Signature& signature) {
  predict::PredictRequest request;
  request.signature = &signature;
  BATON_RETURN_IF_ERROR(BindInputs(view, message, signature, &request));
  BATON_RETURN_IF_ERROR(BindOutputs(view.output_filter, signature, &request.output_ports));
  for (size_t i = 0; i < request.inputs.size(); ++i) {
    if (request.inputs[i].dtype() != tensor::DType::kResource) continue;
    const std::string& name = signature.inputs[request.input_ports[i]].name;
    const auto input = std::find_if(view.inputs.begin(), view.inputs.end(),
                                    [&](const auto& candidate) { return candidate.name == name; });
    return ResourceError(input->tensor);
  }
  return request;
}

}  // namespace baton::codec::grpc
