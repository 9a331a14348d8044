#pragma once

// For tests only: a session with a client to talk to.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "net/http2_test_client.h"
#include "net/testing_host.h"

namespace baton::net {

inline std::string Pattern(size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) {
    text[i] = static_cast<char>((i * 2654435761u) >> 13);
  }
  return text;
}

inline Response GrpcAnswer(std::string body) {
  Response response;
  response.headers = {{"content-type", "application/grpc"}};
  response.body.push_back(base::Buffer::FromString(std::move(body)));
  response.trailers = {{"grpc-status", "0"}};
  return response;
}

class Http2SessionTest : public ::testing::Test {
 protected:
  void Echo() {
    handler().on_request = [](ExchangePtr exchange) {
      Response response = GrpcAnswer("");
      response.body = {exchange->request().body};
      exchange->Respond(std::move(response));
    };
  }
  ScriptedHandler& handler() { return host_.scripted(); }
  ExchangePtr last() { return handler().exchanges.back(); }
  bool Talk() { return client_.Talk(host_, *session_); }
  // Bytes as they are; true while the session wants to go on.
  bool Feed(std::string_view bytes) { return session_->OnBytes(bytes); }

  TestHost host_;
  std::unique_ptr<ProtocolSession> session_ = MakeHttp2Session(&host_);
  Http2TestClient client_;
};

}  // namespace baton::net
