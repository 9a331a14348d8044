#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace baton::net {

// Limits on what a peer controls; docs/limits.md lists them with their flags.
struct Limits {
  size_t max_header_bytes = 1 << 20;       // all fields of one request
  size_t max_headers = 1000;               // fields of one request
  uint32_t max_concurrent_streams = 1024;  // HTTP/2, per connection
  size_t max_connections = 65536;          // over all loops
  size_t max_pipelined = 64;               // HTTP/1 requests read ahead of their answers
  // From the first byte of a request to the end of its headers.
  absl::Duration header_timeout = absl::Seconds(60);
  // HTTP/2 frames a peer may make us answer or reset without a request between them, before the
  // connection is closed.
  uint32_t max_control_frames = 10000;
};

}  // namespace baton::net
