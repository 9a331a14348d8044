#include "predict/validate.h"

#include "base/strings.h"

namespace baton::predict {
namespace {

// A reference to a variable is fed with a plain value.
tensor::DType WithoutRef(tensor::DType dtype) {
  constexpr int32_t kRefOffset = 100;
  const auto number = static_cast<int32_t>(dtype);
  return number > kRefOffset ? static_cast<tensor::DType>(number - kRefOffset) : dtype;
}

}  // namespace

absl::Status ValidateRequest(const PredictRequest& request) {
  const engine::Signature& signature = *request.signature;
  if (request.inputs.size() != request.input_ports.size()) {
    return absl::InternalError("inputs and their ports differ in number");
  }
  for (size_t i = 0; i < request.inputs.size(); ++i) {
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
  for (uint32_t port : request.output_ports) {
    if (port >= signature.outputs.size()) return absl::InternalError("no such output port");
  }
  return absl::OkStatus();
}

}  // namespace baton::predict
