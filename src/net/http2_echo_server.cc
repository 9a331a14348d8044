// A server without models, for h2spec, load generators and profilers: every request is answered
// with its own body.
//
//   http2_echo_server HTTP2_PORT HTTP1_PORT [LOOPS [KEY_FILE CERTIFICATE_FILE]]
//
// With PEM files both ports speak TLS.
// Prints "ready" and the bound ports, and serves until its standard input ends; then it drains.

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "base/mutex.h"
#include "base/strings.h"
#include "net/server.h"

namespace {

using baton::base::Buffer;
using baton::net::ExchangePtr;
using baton::net::Protocol;
using baton::net::Response;

class Echo final : public baton::net::RequestHandler {
 public:
  void OnRequest(ExchangePtr exchange) override {
    Response response;
    const Buffer& body = exchange->request().body;
    response.body.push_back(body.empty() ? Buffer::Copy("empty") : body);
    if (exchange->request().protocol == Protocol::kHttp2) {
      response.headers = {{"content-type", "application/grpc"}};
      response.trailers = {{"grpc-status", "0"}};
    } else {
      response.headers = {{"Content-Type", "application/json"}};
    }
    exchange->Respond(std::move(response));
  }
  void OnBodyTooLarge(ExchangePtr exchange, uint64_t limit) override {
    Response response;
    response.status = 413;
    exchange->Respond(std::move(response));
  }
};

std::string TextOf(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

uint16_t PortOf(const char* text) { return static_cast<uint16_t>(std::strtoul(text, nullptr, 10)); }

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(
        stderr,
        "usage: http2_echo_server HTTP2_PORT HTTP1_PORT [LOOPS [KEY_FILE CERTIFICATE_FILE]]\n");
    return 2;
  }
  Echo echo;
  baton::net::ServerOptions options;
  options.loops = argc > 3 ? std::max(1, std::atoi(argv[3])) : 1;
  auto server = baton::net::Server::Create(options);
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", server.status().ToString().c_str());
    return 1;
  }
  std::shared_ptr<baton::net::TlsCredentials> tls;
  if (argc > 5) {
    auto context = baton::net::TlsContext::Create(
        {.server_key = TextOf(argv[4]), .server_cert = TextOf(argv[5])});
    if (!context.ok()) {
      std::fprintf(stderr, "%s\n", context.status().ToString().c_str());
      return 1;
    }
    tls = std::make_shared<baton::net::TlsCredentials>(*context);
  }
  const auto http2 =
      (*server)->Listen({"127.0.0.1", PortOf(argv[1]), Protocol::kHttp2, tls}, &echo);
  const auto http1 =
      (*server)->Listen({"127.0.0.1", PortOf(argv[2]), Protocol::kHttp11, tls}, &echo);
  if (!http2.ok() || !http1.ok()) {
    std::fprintf(stderr, "%s\n", (http2.ok() ? http1 : http2).status().ToString().c_str());
    return 1;
  }
  (*server)->Start();
  std::printf("ready http2=%d http1=%d\n", *http2, *http1);
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  baton::base::Mutex mutex;
  baton::base::CondVar drained;
  bool done = false;
  (*server)->StartDrain([&] {
    baton::base::MutexLock lock(mutex);
    done = true;
    drained.NotifyAll();
  });
  {
    baton::base::MutexLock lock(mutex);
    while (!done) {
      drained.Wait(mutex);
    }
  }
  (*server)->Stop();
  return 0;
}
