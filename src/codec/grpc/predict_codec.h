#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/buffer.h"
#include "codec/grpc/tensor_codec.h"
#include "lifecycle/servable_id.h"
#include "predict/call.h"
#include "predict/model_spec.h"

namespace baton::codec::grpc {

// A PredictRequest found on the wire; views into the message. Of a repeated map key the last one
// counts; unknown fields are skipped. Tensors are not looked into.
struct PredictRequestView {
  std::optional<predict::ModelSpec> spec;
  struct Input {
    std::string_view name;
    std::string_view tensor;  // serialized TensorProto
    // Holds `tensor` where it is no run of the message: a map entry with several values, which
    // protobuf merges.
    base::Buffer merged;
  };
  std::vector<Input> inputs;
  std::vector<std::string_view> output_filter;
};

// Errors: kInvalidArgument for bytes that are no PredictRequest (a name that is not UTF-8
// included).
absl::StatusOr<PredictRequestView> ParsePredictRequest(std::string_view message);

// A ModelSpec submessage. Errors as above.
absl::StatusOr<predict::ModelSpec> ParseModelSpec(std::string_view bytes);
// The same, added to what *spec already says, as protobuf merges a repeated submessage. False: no
// ModelSpec. `depth` as in WireReader.
bool MergeModelSpec(std::string_view bytes, int depth, predict::ModelSpec* spec);

// Checks 4 to 9 of contract §3.3, in its order and words: input count, missing inputs, tensor
// decoding, unknown names, output filter. `message` holds the view's bytes and is kept alive by the
// tensors. Inputs with a default that the request leaves out are not among input_ports.
absl::StatusOr<predict::PredictRequest> BindPredictRequest(const PredictRequestView& view,
                                                           const base::Buffer& message,
                                                           const engine::Signature& signature);

// A serialized PredictResponse, without gRPC framing; `prefix_bytes` are left free in front for it.
// Payloads that lie ready in memory and are not small are returned as separate buffers that share
// it. REQUIRES: one output per port.
std::vector<base::Buffer> EncodePredictResponse(const lifecycle::ServableId& id,
                                                const engine::Signature& signature,
                                                const std::vector<uint32_t>& output_ports,
                                                const predict::PredictResponse& response,
                                                TensorEncoding encoding, size_t prefix_bytes);

// Where in a PredictRequest the first large run of tensor bytes (tensor_content or packed floats)
// begins, judging by the message's first bytes; 0 when none is seen. Lets the transport place the
// message so that this run is aligned.
size_t FindTensorContent(std::string_view first_bytes);

}  // namespace baton::codec::grpc
