#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "frontend/grpc/grpc_message.h"
#include "net/limits.h"

namespace baton::server {

// What --grpc_channel_arguments may change.
struct ChannelSettings {
  net::Limits limits = {};
  // Other processes may bind the gRPC port too. Off unless asked for, unlike in gRPC.
  bool shares_port = false;
  frontend::grpc::MessagePolicy messages = {};
};

// Applies "key=value,key=value", gRPC's arguments of a server. What is unknown, says nothing to
// this server or has a value that gRPC would ignore is named in `warnings` and changes nothing.
// Errors: kInvalidArgument for an item without "=".
absl::Status ApplyChannelArguments(std::string_view arguments, ChannelSettings& settings,
                                   std::vector<std::string>* warnings);

}  // namespace baton::server
