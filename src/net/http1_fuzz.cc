// Bytes from outside into an HTTP/1 session, whole and cut into pieces: it must not crash, must not
// grow beyond what it was sent, and must give the same answers however the network cut the bytes.

#include <cstdlib>
#include <string>
#include <string_view>

#include "base/check.h"
#include "net/http1_session.h"
#include "net/testing_host.h"

namespace baton::net {
namespace {

void Echo(ExchangePtr exchange) {
  const Request& request = exchange->request();
  Response response;
  response.headers = {{"X-Target", request.target}};
  response.body = {request.body};
  exchange->Respond(std::move(response));
}

// What a peer would see, without "100 Continue", which rightly depends on what has arrived already.
std::string Converse(std::string_view bytes, size_t piece) {
  TestHost host;
  host.mutable_limits().max_header_bytes = 4096;
  host.mutable_limits().max_headers = 16;
  host.mutable_limits().max_pipelined = 3;
  host.scripted().max_body_bytes = 1000;
  host.scripted().on_request = Echo;
  Http1Session session(&host);
  std::string out;
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, piece);
    bytes.remove_prefix(part.size());
    BATON_CHECK(session.OnBytes(part));
    out += host.Output(session);
    host.scripted().exchanges.clear();
  }
  session.OnEndOfInput();
  out += host.Output(session);
  BATON_CHECK(session.finished());
  constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  for (size_t at = out.find(kContinue); at != out.npos; at = out.find(kContinue, at)) {
    out.erase(at, kContinue.size());
  }
  return out;
}

}  // namespace
}  // namespace baton::net

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string whole = baton::net::Converse(bytes, size + 1);
  BATON_CHECK(whole == baton::net::Converse(bytes, 1));
  BATON_CHECK(whole == baton::net::Converse(bytes, 7));
  return 0;
}
