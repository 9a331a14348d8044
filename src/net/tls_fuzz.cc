// Whatever comes before and instead of a handshake, in pieces of any size.

#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "net/tls_stream.h"
#include "net/tls_testing.h"

namespace {

const baton::net::TlsContext& Context() {
  static const auto* const context = [] {
    const auto authority = baton::net::TestIdentity::Authority("ca");
    const auto identity = authority.Issue("server");
    auto made = baton::net::TlsContext::Create({.server_key = identity.key_pem(),
                                                .server_cert = identity.certificate_pem(),
                                                .custom_ca = authority.certificate_pem(),
                                                .client_verify = true});
    BATON_CHECK(made.ok());
    return new std::shared_ptr(*made);
  }();
  return **context;
}

}  // namespace

// The first byte: the protocol, and how many bytes arrive at once. Then the bytes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using baton::net::Protocol;
  using baton::net::TlsStream;
  if (size == 0) return 0;
  static std::vector<char> room(TlsStream::kRoomBytes);
  TlsStream stream(Context(), (data[0] & 1) != 0 ? Protocol::kHttp2 : Protocol::kHttp11);
  const size_t piece = data[0] < 2 ? size : data[0] / 2;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, piece);
    bytes.remove_prefix(part.size());
    const auto progress = stream.Read(part, room, [](std::string_view) { return true; });
    BATON_CHECK((progress == TlsStream::Progress::kBroken) == !stream.error().empty());
    BATON_CHECK(!stream.is_established());  // nobody can without the client's certificate
  }
  return 0;
}
