#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "net/exchange.h"
#include "net/tls.h"

namespace baton::net {

// Where a listener is bound, and what is spoken there.
struct Endpoint {
  // "0.0.0.0", "[::]" with dual stack, "127.0.0.1", or "unix:/path".
  std::string address;
  uint16_t port = 0;                                    // 0: any free port; ignored for unix
  Protocol protocol = Protocol::kHttp11;                // kHttp2: prior knowledge (h2c)
  std::shared_ptr<const TlsCredentials> tls = nullptr;  // null: plain text
  // Another process of the same user may listen there too; the kernel then shares out connections.
  bool shares_port = false;
};

}  // namespace baton::net
