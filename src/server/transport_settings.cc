#include "server/transport_settings.h"

#include <string>
#include <vector>

#include "base/log.h"
#include "base/status_macros.h"

namespace baton::server {

absl::StatusOr<TransportSettings> ReadTransportSettings(const Options& options) {
  TransportSettings settings;
  net::Limits& limits = settings.channel.limits;
  limits.max_connections = static_cast<size_t>(options.max_connections);
  limits.max_concurrent_streams = static_cast<uint32_t>(options.max_concurrent_streams);
  std::vector<std::string> warnings;
  BATON_RETURN_IF_ERROR(
      ApplyChannelArguments(options.grpc_channel_arguments, settings.channel, &warnings));
  for (const std::string& warning : warnings) base::LogWarning(warning);
  if (!options.ssl_config_file.empty()) {
    BATON_ASSIGN_OR_RETURN(settings.grpc_tls, TlsFile::Open(options.ssl_config_file,
                                                            "Failed to BuildAndStart gRPC server"));
  }
  if (!options.rest_api_ssl_config_file.empty()) {
    if (options.rest_api_port == 0) {
      base::LogWarning("--rest_api_ssl_config_file has no effect without --rest_api_port");
    } else {
      BATON_ASSIGN_OR_RETURN(settings.rest_tls, TlsFile::Open(options.rest_api_ssl_config_file));
    }
  }
  return settings;
}

}  // namespace baton::server
