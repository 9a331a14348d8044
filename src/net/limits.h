#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace baton::net {

// The life of an HTTP/2 connection; gRPC's channel arguments of a server, and its defaults but for
// pings.
struct Http2Limits {
  size_t max_header_bytes = 1 << 20;   // all fields of one request
  uint32_t max_frame_bytes = 1 << 20;  // a frame header every 16 KiB costs more than it gives
  // Until the peer's preface and settings are here.
  absl::Duration preface_timeout = absl::Seconds(120);

  // The peer is asked to go away after this time (spread by a tenth, so that connections made
  // together do not all end together), and cut off when calls are still open after the grace.
  absl::Duration max_connection_age = absl::InfiniteDuration();
  absl::Duration max_connection_age_grace = absl::InfiniteDuration();
  // Without an open call.
  absl::Duration max_connection_idle = absl::InfiniteDuration();

  // A peer that was silent for so long is pinged, and cut off when it stays silent. Without an open
  // call only if asked for.
  absl::Duration keepalive_time = absl::Hours(2);
  absl::Duration keepalive_timeout = absl::Seconds(20);
  bool keepalive_without_calls = false;

  // Pings of the peer that come sooner, with no answer of ours between, are strikes. gRPC's are 5
  // minutes and 2 strikes; here clients are only held to max_control_frames unless told otherwise.
  absl::Duration min_ping_interval = absl::ZeroDuration();
  uint32_t max_ping_strikes = 0;  // 0: any number
};

// Limits on what a peer controls; docs/limits.md lists them with their flags.
struct Limits {
  size_t max_header_bytes = 1 << 20;       // HTTP/1: all fields of one request
  size_t max_headers = 1000;               // fields of one request
  uint32_t max_concurrent_streams = 1024;  // HTTP/2, per connection
  size_t max_connections = 65536;          // over all loops
  size_t max_pipelined = 64;               // HTTP/1 requests read ahead of their answers
  // From the first byte of a request to the end of its headers.
  absl::Duration header_timeout = absl::Seconds(60);
  // Without a byte of a body that is not whole yet.
  absl::Duration body_timeout = absl::Seconds(60);
  // HTTP/2 frames a peer may make us answer or reset without a request between them, before the
  // connection is closed.
  uint32_t max_control_frames = 10000;
  Http2Limits http2 = {};

  // Unfinished TLS handshakes, on one event loop.
  size_t max_tls_handshakes = 4096;
  absl::Duration tls_handshake_timeout = absl::Seconds(20);
};

}  // namespace baton::net
