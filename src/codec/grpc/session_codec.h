#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/buffer.h"
#include "codec/grpc/tensor_codec.h"
#include "lifecycle/servable_id.h"
#include "predict/call.h"
#include "predict/model_spec.h"

namespace baton::codec::grpc {

// A SessionRunRequest found on the wire; views into the message, which must outlive it. Of
// RunOptions only what has an effect here is read.
struct SessionRunView {
  std::optional<predict::ModelSpec> spec;
  struct Feed {
    std::string_view name;
    std::string_view tensor;  // serialized TensorProto
  };
  std::vector<Feed> feeds;
  std::vector<std::string_view> fetches;
  std::vector<std::string_view> targets;
  absl::Duration timeout = absl::InfiniteDuration();
  bool wants_trace = false;  // a trace level, or partition graphs
  bool names_are_aliases = false;
};

// So many feeds, and so many fetches, one call may have.
inline constexpr size_t kMaxSessionTensors = 256;

// Errors: kInvalidArgument for bytes that are no SessionRunRequest, kResourceExhausted for more
// tensors than kMaxSessionTensors.
absl::StatusOr<SessionRunView> ParseSessionRunRequest(std::string_view message);

// The fed tensors, sharing `message`. Errors: kInvalidArgument "tensor parsing error: <name>".
absl::StatusOr<std::vector<tensor::Tensor>> ReadFeeds(const SessionRunView& view,
                                                      const base::Buffer& message);

// A serialized SessionRunResponse with one tensor per fetch, in their order. REQUIRES: as many
// outputs. Errors: kResourceExhausted for more bytes than a message can have.
absl::StatusOr<std::string> EncodeSessionRunResponse(const lifecycle::ServableId& id,
                                                     std::string_view signature_name,
                                                     const std::vector<std::string>& fetches,
                                                     const predict::PredictResponse& response);

}  // namespace baton::codec::grpc
