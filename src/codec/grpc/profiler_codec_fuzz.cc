// Whatever our reader takes, protobuf takes, and both see the same.
#include <cstdint>
#include <string>
#include <string_view>

#include "codec/grpc/profiler_codec.h"
#include "tsl/profiler/protobuf/profiler_service.pb.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace baton::codec::grpc;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)ParseTerminateRequest(bytes);
  const auto request = ParseProfileRequest(bytes);
  tensorflow::ProfileRequest reference;
  if (!request.ok() || !reference.ParseFromString(std::string(bytes))) return 0;
  const uint64_t millis = reference.opts().duration_ms() != 0 ? reference.opts().duration_ms()
                                                              : reference.duration_ms();
  if (request->session_id != reference.session_id()) __builtin_trap();
  if (request->emit_xspace != reference.emit_xspace()) __builtin_trap();
  if (millis < 1000000 && request->duration != absl::Milliseconds(millis)) __builtin_trap();
  tensorflow::ProfileResponse response;
  if (!response.ParseFromString(EncodeProfileResponse(bytes, false))) __builtin_trap();
  if (!bytes.empty() && response.tool_data(0).data() != bytes) __builtin_trap();
  return 0;
}
