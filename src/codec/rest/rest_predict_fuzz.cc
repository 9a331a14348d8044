// Hostile predict bodies: the reader must agree with RapidJSON about every text, and decoding must
// end in tensors or a Status for every signature.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "codec/rest/predict_codec.h"
#include "codec/rest/tape_oracle.h"
#include "codec/rest/test_signatures.h"

namespace baton::codec::rest {
namespace {

using tensor::DType;

const std::vector<engine::Signature>& Signatures() {
  static const std::vector<engine::Signature>& signatures = *new std::vector<engine::Signature>{
      Identity(DType::kFloat),
      Identity(DType::kDouble),
      Identity(DType::kInt8),
      Identity(DType::kInt64),
      Identity(DType::kUint32),
      Identity(DType::kUint64),
      Identity(DType::kBool),
      Identity(DType::kString),
      Identity(DType::kHalf),
      MakeSignature({MakePort("a", DType::kFloat), MakePort("b_bytes", DType::kString)},
                    {MakePort("a", DType::kFloat), MakePort("b_bytes", DType::kString)}),
  };
  return signatures;
}

// Identity as a model: what was decoded is answered, and must be written or refused.
void Decode(const PredictBody& body, const engine::Signature& signature) {
  auto decoded = body.Decode(signature);
  if (!decoded.ok()) {
    (void)ErrorBody(base::Message(decoded.status()));
    return;
  }
  predict::PredictResponse response;
  response.outputs = decoded->request.inputs;
  (void)EncodePredictResponse(signature, decoded->request.output_ports, response, decoded->format);
}

}  // namespace
}  // namespace baton::codec::rest

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace baton::codec::rest;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (!Disagreement(text, PredictBody::kMaxDepth).empty()) std::abort();
  auto body = PredictBody::Parse(baton::base::Buffer::Copy(text));
  if (!body.ok()) return 0;
  for (const auto& signature : Signatures()) Decode(*body, signature);
  return 0;
}
