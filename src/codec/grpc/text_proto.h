#pragma once

#include <google/protobuf/message.h>

#include <string>

#include "absl/status/status.h"

namespace baton::codec::grpc {

// Reads a text-format message as the server's flags name files of them. `path` is for the error
// texts (contract §1.3): kInvalidArgument "<path>; Invalid argument" for an empty text and "Invalid
// protobuf file: '<path>'" for a bad one, with protobuf's own line in the log, which scripts look
// for.
absl::Status ParseTextProto(const std::string& path, const std::string& text,
                            google::protobuf::Message* message);

}  // namespace baton::codec::grpc
