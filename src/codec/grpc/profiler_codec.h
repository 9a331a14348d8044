#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace baton::codec::grpc {

// What tensorflow.ProfilerService says on the wire (proto/tsl/profiler/protobuf).

struct ProfileRequest {
  absl::Duration duration;
  std::string options;     // a serialized ProfileOptions, for the engine
  std::string session_id;  // what Terminate names
  bool emit_xspace = false;
};

// kInvalidArgument for a malformed message.
absl::StatusOr<ProfileRequest> ParseProfileRequest(std::string_view message);

// The session's name in a TerminateRequest.
absl::StatusOr<std::string> ParseTerminateRequest(std::string_view message);

// A ProfileResponse with `xspace`, a serialized XSpace: as the file "xplane.pb", which clients save
// beside their log, or as the message itself for those who ask so. Empty: an empty trace.
std::string EncodeProfileResponse(std::string_view xspace, bool emit_xspace);

}  // namespace baton::codec::grpc
