// Bytes of an HTTP/2 peer that keeps to nothing, in pieces, against a handler that answers in every
// way there is.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/http2_test_client.h"
#include "net/testing_host.h"

namespace {

using baton::base::Buffer;
using baton::net::ExchangePtr;
using baton::net::Response;

class Echo final : public baton::net::StreamReader {
 public:
  explicit Echo(ExchangePtr exchange) : exchange_(std::move(exchange)) {
    exchange_->StartStream(200, {});
  }
  void OnData(std::string_view bytes) override { exchange_->Write(Buffer::Copy(bytes)); }
  void OnEnd() override { exchange_->Finish({{"grpc-status", "0"}}); }

 private:
  const ExchangePtr exchange_;
};

void Answer(ExchangePtr exchange) {
  Response response;
  response.headers = {{"content-type", "application/grpc"}};
  const std::string_view target = exchange->request().target;
  switch (target.size() % 4) {
    case 0:
      return;  // dropped
    case 1:
      response.body.push_back(exchange->request().body);
      break;
    case 2:
      response.body.push_back(Buffer::Copy(std::string(20'000, 'x')));
      break;
    default:
      break;
  }
  response.trailers = {{"grpc-status", "0"}};
  exchange->Respond(std::move(response));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) {
    return 0;
  }
  baton::net::TestHost host;
  host.mutable_limits().max_control_frames = 100;
  host.mutable_limits().http2.max_header_bytes = 4000;
  host.scripted().max_body_bytes = 50'000;
  host.scripted().aligned_offset = data[1];
  host.scripted().on_request = Answer;
  host.scripted().on_stream =
      [](const ExchangePtr& exchange) -> std::unique_ptr<baton::net::StreamReader> {
    return exchange->request().target == "/s" ? std::make_unique<Echo>(exchange) : nullptr;
  };
  const std::unique_ptr<baton::net::ProtocolSession> session = baton::net::MakeHttp2Session(&host);
  // Without the preface most inputs would end at the first byte.
  std::string input = (data[0] & 1) != 0 ? baton::net::RawPreface() : "";
  input.append(reinterpret_cast<const char*>(data + 2), size - 2);
  const size_t step = (data[0] & 2) != 0 ? 7 : 100'000;
  bool alive = true;
  for (size_t at = 0; alive && at < input.size(); at += step) {
    alive = session->OnBytes(std::string_view(input).substr(at, step));
    host.scripted().exchanges.clear();
    host.scripted().too_large.clear();
    if ((data[0] & 4) != 0 && at > input.size() / 2) {
      session->StartDrain();
    }
    host.Output(*session, (data[0] & 8) != 0 ? 1000 : SIZE_MAX);
  }
  session->OnClosed();
  return 0;
}
