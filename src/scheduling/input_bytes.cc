#include "scheduling/input_bytes.h"

namespace baton::scheduling {

uint64_t InputBytes(const predict::PredictRequest& request) {
  uint64_t bytes = 0;
  for (const tensor::Tensor& input : request.inputs) {
    bytes += input.buffer().size();
    if (input.dtype() != tensor::DType::kString) continue;
    // Strings lie outside of their tensor's buffer.
    for (const tensor::StringRef& text : input.strings()) bytes += text.size;
  }
  return bytes;
}

}  // namespace baton::scheduling
