#include "server/channel_arguments.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "base/strings.h"

namespace baton::server {
namespace {

constexpr int32_t kMax = std::numeric_limits<int32_t>::max();

// gRPC's way to say "for ever".
absl::Duration Millis(int32_t value) {
  return value == kMax ? absl::InfiniteDuration() : absl::Milliseconds(value);
}

// gRPC counts pings by default, this server only when told to. Told of one of the two numbers, it
// takes gRPC's default for the other.
void CountPings(net::Http2Limits& http2) {
  if (http2.max_ping_strikes == 0) http2.max_ping_strikes = 2;
  if (http2.min_ping_interval == absl::ZeroDuration()) http2.min_ping_interval = absl::Minutes(5);
}

uint64_t MessageBytes(int32_t value, uint64_t unlimited) {
  return value < 0 ? unlimited : static_cast<uint64_t>(value);
}

struct Argument {
  std::string_view key;
  int32_t low, high;
  void (*apply)(ChannelSettings&, int32_t);
};

constexpr Argument kArguments[] = {
    {"grpc.max_connection_age_ms", 1, kMax,
     [](ChannelSettings& s, int32_t v) { s.limits.http2.max_connection_age = Millis(v); }},
    {"grpc.max_connection_age_grace_ms", 0, kMax,
     [](ChannelSettings& s, int32_t v) { s.limits.http2.max_connection_age_grace = Millis(v); }},
    {"grpc.max_connection_idle_ms", 1, kMax,
     [](ChannelSettings& s, int32_t v) { s.limits.http2.max_connection_idle = Millis(v); }},
    {"grpc.keepalive_time_ms", 1, kMax,
     [](ChannelSettings& s, int32_t v) { s.limits.http2.keepalive_time = Millis(v); }},
    {"grpc.keepalive_timeout_ms", 0, kMax,
     [](ChannelSettings& s, int32_t v) { s.limits.http2.keepalive_timeout = Millis(v); }},
    {"grpc.keepalive_permit_without_calls", 0, 1,
     [](ChannelSettings& s, int32_t v) { s.limits.http2.keepalive_without_calls = v != 0; }},
    {"grpc.http2.min_ping_interval_without_data_ms", 0, kMax,
     [](ChannelSettings& s, int32_t v) {
       s.limits.http2.min_ping_interval = Millis(v);
       if (v != 0) CountPings(s.limits.http2);
     }},
    {"grpc.http2.max_ping_strikes", 0, kMax,
     [](ChannelSettings& s, int32_t v) {
       s.limits.http2.max_ping_strikes = static_cast<uint32_t>(v);
       if (v != 0) CountPings(s.limits.http2);
     }},
    {"grpc.http2.max_frame_size", 16384, 16777215,
     [](ChannelSettings& s, int32_t v) {
       s.limits.http2.max_frame_bytes = static_cast<uint32_t>(v);
     }},
    {"grpc.max_metadata_size", 1, kMax,
     [](ChannelSettings& s, int32_t v) {
       s.limits.http2.max_header_bytes = static_cast<size_t>(v);
     }},
    {"grpc.absolute_max_metadata_size", 1, kMax,
     [](ChannelSettings& s, int32_t v) {
       s.limits.http2.max_header_bytes = static_cast<size_t>(v);
     }},
    {"grpc.max_concurrent_streams", 1, kMax,
     [](ChannelSettings& s, int32_t v) {
       s.limits.max_concurrent_streams = static_cast<uint32_t>(v);
     }},
    {"grpc.server_handshake_timeout_ms", 1, kMax,
     [](ChannelSettings& s, int32_t v) {
       s.limits.http2.preface_timeout = s.limits.tls_handshake_timeout = Millis(v);
     }},
    {"grpc.max_receive_message_length", -1, kMax,
     [](ChannelSettings& s, int32_t v) {
       s.messages.max_request_bytes = MessageBytes(v, frontend::grpc::kMaxMessageBytes);
     }},
    {"grpc.max_send_message_length", -1, kMax,
     [](ChannelSettings& s, int32_t v) {
       s.messages.max_reply_bytes = MessageBytes(v, UINT32_MAX);
     }},
    {"grpc.default_compression_algorithm", 0, 2,
     [](ChannelSettings& s, int32_t v) { s.messages.gzip_replies = v != 0; }},
    {"grpc.default_compression_level", 0, 3,
     [](ChannelSettings& s, int32_t v) { s.messages.gzip_replies = v != 0; }},
    {"grpc.so_reuseport", 0, 1, [](ChannelSettings& s, int32_t v) { s.shares_port = v != 0; }},
    // Not one of gRPC's at all, but every test of TensorFlow Serving passes it; addresses are
    // always reused.
    {"grpc.so_reuseaddr", 0, 1, [](ChannelSettings&, int32_t) {}},
};

// As TensorFlow Serving sorts numbers from strings.
std::optional<int32_t> ParseInt32(std::string_view text) {
  int32_t value = 0;
  if (!absl::SimpleAtoi(base::ToAbsl(text), &value)) return std::nullopt;
  return value;
}

void ApplyOne(std::string_view key, std::string_view value, ChannelSettings& settings,
              std::vector<std::string>* warnings) {
  const auto* argument = std::find_if(std::begin(kArguments), std::end(kArguments),
                                      [key](const Argument& known) { return known.key == key; });
  if (argument == std::end(kArguments)) {
    warnings->push_back(
        base::StrCat("--grpc_channel_arguments: ", key, " has no effect on this server"));
    return;
  }
  const std::optional<int32_t> number = ParseInt32(value);
  if (!number || *number < argument->low || *number > argument->high) {
    warnings->push_back(base::StrCat("--grpc_channel_arguments: ", key, "=", value,
                                     " is ignored: it must be a number from ", argument->low,
                                     " to ", argument->high));
    return;
  }
  argument->apply(settings, *number);
}

}  // namespace

absl::Status ApplyChannelArguments(std::string_view arguments, ChannelSettings& settings,
                                   std::vector<std::string>* warnings) {
  std::vector<std::pair<std::string_view, std::string_view>> items;
  while (!arguments.empty()) {
    const std::string_view item = arguments.substr(0, arguments.find(','));
    arguments.remove_prefix(std::min(item.size() + 1, arguments.size()));
    if (item.empty()) continue;
    const size_t equals = item.find('=');
    if (equals == item.npos) {
      return absl::InvalidArgumentError(base::StrCat("--grpc_channel_arguments: \"", item,
                                                     "\" has no \"=\"; items are key=value"));
    }
    const std::string_view value = item.substr(equals + 1);
    items.emplace_back(item.substr(0, equals), value.substr(0, value.find('=')));
  }
  for (const auto& [key, value] : items) ApplyOne(key, value, settings, warnings);
  return absl::OkStatus();
}

}  // namespace baton::server
