#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "server/channel_arguments.h"
#include "server/options.h"
#include "server/tls_config.h"

namespace baton::server {

// What the flags say about ports and connections, files read.
//
// Threads: as its parts. Owner: Server.
struct TransportSettings {
  ChannelSettings channel = {};
  std::unique_ptr<TlsFile> grpc_tls = nullptr;  // null: plain text
  std::unique_ptr<TlsFile> rest_tls = nullptr;
};

// Warns of what has no effect. Errors: those of the TLS files (contract §1.3, §10) and of
// --grpc_channel_arguments.
absl::StatusOr<TransportSettings> ReadTransportSettings(const Options& options);

}  // namespace baton::server
