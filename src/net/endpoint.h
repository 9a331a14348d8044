#pragma once

#include <cstdint>
#include <string>

#include "net/exchange.h"

namespace baton::net {

// Where a listener is bound, and what is spoken there.
struct Endpoint {
  // "0.0.0.0", "[::]" with dual stack, "127.0.0.1", or "unix:/path".
  std::string address;
  uint16_t port = 0;                      // 0: any free port; ignored for unix
  Protocol protocol = Protocol::kHttp11;  // kHttp2: prior knowledge (h2c)
};

}  // namespace baton::net
