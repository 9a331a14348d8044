#include "predict/validate.h"

#include <algorithm>

#include "base/strings.h"

namespace baton::predict {
namespace {

// A reference to a variable is fed with a plain value.
tensor::DType WithoutRef(tensor::DType dtype) {
  constexpr int32_t kRefOffset = 100;
  const auto number = static_cast<int32_t>(dtype);
  return number > kRefOffset ? static_cast<tensor::DType>(number - kRefOffset) : dtype;
}

// One signature per port, or none at all.
bool NamesEvery(const std::vector<const engine::Signature*>& signatures, size_t ports) {
  return signatures.empty() ||
         (signatures.size() == ports &&
          std::find(signatures.begin(), signatures.end(), nullptr) == signatures.end());
}

}  // namespace

absl::Status ValidateRequest(const PredictRequest& request) {
  if (request.signature == nullptr) return absl::InternalError("a request without a signature");
  if (request.inputs.size() != request.input_ports.size()) {
    return absl::InternalError("inputs and their ports differ in number");
  }
  if (!NamesEvery(request.input_signatures, request.input_ports.size()) ||
      !NamesEvery(request.output_signatures, request.output_ports.size())) {
    return absl::InternalError("ports and their signatures differ in number");
  }
  for (size_t i = 0; i < request.inputs.size(); ++i) {
    const engine::Signature& signature = request.InputSignature(i);
    const uint32_t port = request.input_ports[i];
    if (port >= signature.inputs.size()) return absl::InternalError("no such input port");
    const tensor::DType expected = signature.inputs[port].dtype;
    const tensor::DType given = request.inputs[i].dtype();
    // A signature may leave the type open; then only the graph knows.
    if (given == expected || expected == tensor::DType::kInvalid) continue;
    if (given == WithoutRef(expected)) continue;
    return absl::InvalidArgumentError(base::StrCat("Expects arg[", i, "] to be ",
                                                   tensor::Name(expected), " but ",
                                                   tensor::Name(given), " is provided"));
  }
  for (size_t i = 0; i < request.output_ports.size(); ++i) {
    if (request.output_ports[i] >= request.OutputSignature(i).outputs.size()) {
      return absl::InternalError("no such output port");
    }
  }
  return absl::OkStatus();
}

}  // namespace baton::predict
