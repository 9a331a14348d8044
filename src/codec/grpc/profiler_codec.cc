#include "codec/grpc/profiler_codec.h"

#include <algorithm>
#include <cstdint>

#include "codec/grpc/wire_reader.h"
#include "codec/grpc/wire_writer.h"

namespace baton::codec::grpc {
namespace {

// ProfileRequest
constexpr uint32_t kDurationMillis = 1;
constexpr uint32_t kOptions = 4;
constexpr uint32_t kSessionId = 6;
constexpr uint32_t kEmitXspace = 9;
// ProfileOptions
constexpr uint32_t kOptionsDurationMillis = 9;
// TerminateRequest
constexpr uint32_t kTerminatedSessionId = 1;
// ProfileResponse
constexpr uint32_t kToolData = 6;
constexpr uint32_t kEmptyTrace = 7;
constexpr uint32_t kXspace = 8;
// ProfileToolData
constexpr uint32_t kToolName = 1;
constexpr uint32_t kToolBytes = 2;

constexpr std::string_view kXplaneFile = "xplane.pb";

// Far beyond any limit, and far from where a Duration saturates.
constexpr uint64_t kMostMillis = uint64_t{1} << 40;

}  // namespace

absl::StatusOr<ProfileRequest> ParseProfileRequest(std::string_view message) {
  ProfileRequest request;
  uint64_t millis = 0;
  WireReader reader(message);
  while (reader.Next()) {
    if (reader.field() == kDurationMillis && reader.is_varint()) {
      millis = reader.number();
    } else if (reader.field() == kOptions && reader.is_bytes()) {
      request.options.append(reader.bytes());  // messages merge when they are laid end to end
    } else if (reader.field() == kSessionId && reader.is_bytes()) {
      request.session_id = std::string(reader.bytes());
    } else if (reader.field() == kEmitXspace && reader.is_varint()) {
      request.emit_xspace = reader.number() != 0;
    }
  }
  WireReader options(request.options);
  uint64_t options_millis = 0;
  while (reader.ok() && options.Next()) {
    if (options.field() == kOptionsDurationMillis && options.is_varint()) {
      options_millis = options.number();
    }
  }
  if (!reader.ok() || !options.ok()) {
    return absl::InvalidArgumentError("malformed ProfileRequest");
  }
  if (options_millis != 0) millis = options_millis;
  request.duration = absl::Milliseconds(std::min(millis, kMostMillis));
  return request;
}

absl::StatusOr<std::string> ParseTerminateRequest(std::string_view message) {
  std::string session_id;
  WireReader reader(message);
  while (reader.Next()) {
    if (reader.field() == kTerminatedSessionId && reader.is_bytes()) {
      session_id = std::string(reader.bytes());
    }
  }
  if (!reader.ok()) return absl::InvalidArgumentError("malformed TerminateRequest");
  return session_id;
}

std::string EncodeProfileResponse(std::string_view xspace, bool emit_xspace) {
  if (xspace.empty()) return {static_cast<char>(kEmptyTrace << 3), 1};
  std::string message;
  if (emit_xspace) {
    message.resize(BytesFieldSize(kXspace, xspace.size()));
    WriteBytesField(kXspace, xspace, message.data());
    return message;
  }
  const size_t tool =
      BytesFieldSize(kToolName, kXplaneFile.size()) + BytesFieldSize(kToolBytes, xspace.size());
  message.resize(BytesFieldSize(kToolData, tool));
  char* to = WriteBytesTag(kToolData, tool, message.data());
  to = WriteBytesField(kToolName, kXplaneFile, to);
  WriteBytesField(kToolBytes, xspace, to);
  return message;
}

}  // namespace baton::codec::grpc
