// TLS from listener to handler, over real sockets.

#include <poll.h>

#include <filesystem>
#include <future>
#include <set>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "net/event_loop.h"
#include "net/http_status.h"
#include "net/server.h"
#include "net/tls_testing.h"

namespace baton::net {
namespace {

using ::testing::AnyOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;

// Answers with the body; "/big" with 20 MB.
class EchoHandler final : public RequestHandler {
 public:
  void OnRequest(ExchangePtr exchange) override {
    Response response;
    response.body.push_back(exchange->request().target == "/big"
                                ? base::Buffer::FromString(std::string(20'000'000, 'b'))
                                : exchange->request().body);
    exchange->Respond(std::move(response));
  }
  void OnBodyTooLarge(ExchangePtr exchange, uint64_t) override {
    exchange->Respond(HtmlError(413));
  }
};

std::string Echo(std::string_view body, std::string_view fields = "") {
  return "POST /echo HTTP/1.1\r\n" + std::string(fields) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}
constexpr std::string_view kClose = "Connection: close\r\n";

class TlsServerTest : public ::testing::Test {
 protected:
  std::shared_ptr<const TlsContext> ContextOf(TlsSettings settings) {
    auto made = TlsContext::Create(settings);
    EXPECT_TRUE(made.ok()) << made.status();
    return *made;
  }
  TlsSettings SettingsOf(const TestIdentity& identity) {
    return {.server_key = identity.key_pem(), .server_cert = identity.certificate_pem()};
  }

  uint16_t Serve(TlsSettings settings, ServerOptions options = {},
                 Protocol protocol = Protocol::kHttp11, std::string address = "127.0.0.1") {
    credentials = std::make_shared<TlsCredentials>(ContextOf(std::move(settings)));
    server = *Server::Create(std::move(options));
    const auto port = server->Listen(
        {.address = std::move(address), .protocol = protocol, .tls = credentials}, &handler);
    EXPECT_TRUE(port.ok()) << port.status();
    server->Start();
    return port.value_or(0);
  }

  // Why a connection does not come to its answer; "" when it does.
  std::string Refusal(uint16_t port, const TlsTestClient::Options& options) {
    TlsTestClient client(port, options);
    if (!client.Shake() || !client.Send(Echo("hello", kClose))) return client.error();
    const std::string answer = client.ReadAll();
    return answer.ends_with("hello") ? "" : "closed: " + client.error();
  }

  const TestIdentity authority = TestIdentity::Authority("ca");
  const TestIdentity identity = authority.Issue("server");
  EchoHandler handler;
  std::shared_ptr<TlsCredentials> credentials;
  std::unique_ptr<Server> server;
};

TEST_F(TlsServerTest, AnswersWithEveryVersionAndInAnyPieces) {
  const uint16_t port = Serve(SettingsOf(identity));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const size_t piece : {size_t{1}, size_t{7}, size_t{1000000}}) {
      TlsTestClient client(port,
                           {.trusts = &authority, .max_version = version, .send_bytes = piece});
      ASSERT_TRUE(client.Shake()) << client.error();
      client.Send(Echo("first"));
      EXPECT_THAT(client.ReadUntil("first"), EndsWith("first"));
      client.Send(Echo("second", kClose));
      EXPECT_THAT(client.ReadAll(), EndsWith("second"));
      EXPECT_TRUE(client.ended_cleanly());
    }
  }
}

TEST_F(TlsServerTest, OldVersionsAreRefused) {
  const uint16_t port = Serve(SettingsOf(identity));
  EXPECT_THAT(Refusal(port, {.max_version = TLS1_1_VERSION}), HasSubstr("alert protocol version"));
}

TEST_F(TlsServerTest, AChainIsSentWhole) {
  const auto intermediate = TestIdentity::Make("between", {.is_authority = true}, &authority);
  const auto leaf = TestIdentity::Make("leaf", {.key_type = "RSA"}, &intermediate);
  TlsSettings settings = SettingsOf(leaf);
  settings.server_cert += intermediate.certificate_pem();
  const uint16_t port = Serve(settings);
  EXPECT_EQ(Refusal(port, {.trusts = &authority}), "");
  const auto stranger = TestIdentity::Authority("stranger");
  EXPECT_EQ(Refusal(port, {.trusts = &stranger}), "certificate verify failed");
}

TEST_F(TlsServerTest, ClientsShowACertificateOfTheAuthorityWhenAsked) {
  TlsSettings settings = SettingsOf(identity);
  settings.client_verify = true;
  settings.custom_ca = authority.certificate_pem();
  const uint16_t port = Serve(settings);
  const auto friendly = authority.Issue("friend");
  const auto expired = TestIdentity::Make("expired", {.days = -1}, &authority);
  const auto stranger = TestIdentity::Authority("stranger").Issue("friend");
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const struct {
      const TestIdentity* identity;
      const char* refusal;
    } rows[] = {
        {&friendly, ""},
        {nullptr, "alert"},
        {&expired, "alert certificate expired"},
        {&stranger, "alert unknown ca"},
    };
    for (const auto& row : rows) {
      const std::string refusal = Refusal(port, {.identity = row.identity, .max_version = version});
      EXPECT_EQ(refusal.empty(), std::string_view(row.refusal).empty()) << refusal;
      EXPECT_THAT(refusal, HasSubstr(row.refusal)) << version;
    }
  }
}

TEST_F(TlsServerTest, SystemAuthoritiesDoNotTrustAnybody) {
  TlsSettings settings = SettingsOf(identity);
  settings.client_verify = true;
  const auto stranger = authority.Issue("stranger");
  EXPECT_THAT(Refusal(Serve(settings), {.identity = &stranger}), HasSubstr("alert unknown ca"));
}

TEST_F(TlsServerTest, Http1IsSpokenWhateverIsOffered) {
  const uint16_t port = Serve(SettingsOf(identity));
  for (const char* alpn : {"", "http/1.1", "h2", "other"}) {
    EXPECT_EQ(Refusal(port, {.alpn = alpn}), "") << alpn;
  }
}

TEST_F(TlsServerTest, Http2MustBeOffered) {
  const uint16_t port = Serve(SettingsOf(identity), {}, Protocol::kHttp2);
  TlsTestClient good(port, {.alpn = "h2"});
  ASSERT_TRUE(good.Shake());
  // The length of a SETTINGS frame.
  EXPECT_EQ(good.ReadUntil("", 2).substr(0, 2), std::string_view("\0\0", 2));
  TlsTestClient other(port, {.alpn = "http/1.1"});
  EXPECT_FALSE(other.Shake());
  EXPECT_THAT(other.error(), HasSubstr("alert no application protocol"));
  TlsTestClient none(port, {});
  ASSERT_TRUE(none.Shake());
  EXPECT_EQ(none.ReadAll(), "");
  EXPECT_TRUE(none.ended_cleanly());
}

TEST_F(TlsServerTest, NewConnectionsSeeReplacedCertificatesAndOldOnesLiveOn) {
  const uint16_t port = Serve(SettingsOf(identity));
  TlsTestClient old(port, {.trusts = &authority});
  ASSERT_TRUE(old.Shake());
  old.Send(Echo("one"));
  old.ReadUntil("one");
  const auto other_authority = TestIdentity::Authority("other ca");
  const auto next = other_authority.Issue("next");
  credentials->Replace(ContextOf(SettingsOf(next)));
  TlsTestClient young(port, {.trusts = &other_authority});
  ASSERT_TRUE(young.Shake()) << young.error();
  EXPECT_EQ(young.server_name(), "next");
  for (TlsTestClient* client : {&old, &young}) {
    client->Send(Echo("two"));
    EXPECT_THAT(client->ReadUntil("two"), EndsWith("two"));
  }
  EXPECT_EQ(old.server_name(), "server");
}

// A ticket of the old certificate must not get round the new demands.
TEST_F(TlsServerTest, SessionsOfReplacedCertificatesAreNotResumed) {
  const uint16_t port = Serve(SettingsOf(identity));
  TlsTestClient first(port, {.max_version = TLS1_2_VERSION});
  ASSERT_TRUE(first.Shake());
  SSL_SESSION* const session = SSL_get1_session(first.ssl());
  TlsTestClient again(port, {.max_version = TLS1_2_VERSION});
  SSL_set_session(again.ssl(), session);
  ASSERT_TRUE(again.Shake());
  EXPECT_TRUE(SSL_session_reused(again.ssl()));
  TlsSettings stricter = SettingsOf(identity);
  stricter.client_verify = true;
  stricter.custom_ca = authority.certificate_pem();
  credentials->Replace(ContextOf(stricter));
  TlsTestClient late(port, {.max_version = TLS1_2_VERSION});
  SSL_set_session(late.ssl(), session);
  EXPECT_FALSE(late.Shake());
  SSL_SESSION_free(session);
}

TEST_F(TlsServerTest, LargeBodiesAndAnswersPassASlowReader) {
  const uint16_t port = Serve(SettingsOf(identity));
  TlsTestClient client(port, {});
  ASSERT_TRUE(client.Shake());
  std::string body(12'000'000, 'x');
  for (size_t i = 0; i < body.size(); i += 7) {
    body[i] = static_cast<char>('a' + i % 23);
  }
  ASSERT_TRUE(client.Send(Echo(body)));
  client.Send("GET /big HTTP/1.1\r\n\r\nGET /big HTTP/1.1\r\n\r\n");
  client.Send(Echo("end", kClose));
  const std::string all = client.ReadAll();
  EXPECT_TRUE(all.find(body) != std::string::npos);
  EXPECT_GT(all.size(), body.size() + 40'000'000);
  EXPECT_TRUE(all.ends_with("\r\n\r\nend"));
  EXPECT_TRUE(client.ended_cleanly());
}

TEST_F(TlsServerTest, AClientThatSaidGoodbyeGetsItsAnswer) {
  const uint16_t port = Serve(SettingsOf(identity));
  TlsTestClient client(port, {});
  ASSERT_TRUE(client.Shake());
  client.Send("GET /big HTTP/1.1\r\n\r\n");
  client.SayGoodbye();
  EXPECT_GT(client.ReadAll().size(), 20'000'000u);
}

TEST_F(TlsServerTest, RenegotiationIsRefused) {
  const uint16_t port = Serve(SettingsOf(identity));
  TlsTestClient client(port, {.max_version = TLS1_2_VERSION});
  ASSERT_TRUE(client.Shake());
  EXPECT_EQ(SSL_renegotiate(client.ssl()), 1);
  client.Shake();
  client.Send(Echo("x", kClose));
  EXPECT_EQ(client.ReadAll().find("200 OK"), std::string::npos);
}

TEST_F(TlsServerTest, AUnixSocketSpeaksTlsToo) {
  const std::string path = ::testing::TempDir() + "net_tls_server_test.sock";
  Serve(SettingsOf(identity), {}, Protocol::kHttp11, "unix:" + path);
  TlsTestClient client(path, {.trusts = &authority});
  ASSERT_TRUE(client.Shake()) << client.error();
  client.Send(Echo("hello", kClose));
  EXPECT_THAT(client.ReadAll(), EndsWith("hello"));
}

// A socket without TLS.
class PlainClient {
 public:
  explicit PlainClient(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    is_connected_ = connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~PlainClient() { close(fd_); }
  PlainClient(const PlainClient&) = delete;
  bool is_connected() const { return is_connected_; }
  void Send(std::string_view bytes) { send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  std::string ReadAll() {
    std::string all;
    char block[4096];
    for (ssize_t count; (count = read(fd_, block, sizeof(block))) > 0;) {
      all.append(block, static_cast<size_t>(count));
    }
    return all;
  }

 private:
  const int fd_;
  bool is_connected_ = false;
};

TEST_F(TlsServerTest, WhoeverDoesNotSpeakTlsIsShownOut) {
  const uint16_t port = Serve(SettingsOf(identity), {.loops = 2});
  const std::string_view rows[] = {
      "GET / HTTP/1.1\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      std::string_view("\x16\x03\x01\x40\x00\x01", 6),
      std::string_view("\x80\x09\x01\x00\x02\xff\xff\xff\xff\xff\xff\xff", 12),
      std::string_view("\0\0\0\0\0\0\0\0\0\0\0", 11),
      "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
  };
  for (const std::string_view bytes : rows) {
    PlainClient client(port);
    client.Send(bytes);
    if (bytes.front() == 0x16) continue;  // a record that never ends: the timeout's business
    EXPECT_LT(client.ReadAll().size(), 10u) << bytes;
  }
  EXPECT_EQ(Refusal(port, {}), "");
}

TEST_F(TlsServerTest, AHandshakeThatTakesTooLongEnds) {
  ServerOptions options;
  options.limits.tls_handshake_timeout = absl::Milliseconds(50);
  const uint16_t port = Serve(SettingsOf(identity), options);
  TlsTestClient quick(port, {});
  ASSERT_TRUE(quick.Shake());
  PlainClient silent(port);
  EXPECT_EQ(silent.ReadAll(), "");
  PlainClient slow(port);
  slow.Send(std::string_view("\x16\x03\x01\x02\x00\x01\x00", 7));
  EXPECT_EQ(slow.ReadAll(), "");
  quick.Send(Echo("hello", kClose));
  EXPECT_THAT(quick.ReadAll(), EndsWith("hello"));
}

TEST_F(TlsServerTest, TheOldestHandshakeMakesRoom) {
  ServerOptions options;
  options.limits.max_tls_handshakes = 2;
  options.limits.tls_handshake_timeout = absl::Hours(1);
  const uint16_t port = Serve(SettingsOf(identity), options);
  PlainClient oldest(port);
  PlainClient second(port);
  EXPECT_EQ(Refusal(port, {}), "");
  EXPECT_EQ(oldest.ReadAll(), "");
}

TEST_F(TlsServerTest, ADrainEndsUnfinishedHandshakesAndFinishesTheRest) {
  ServerOptions options{.loops = 2};
  options.limits.tls_handshake_timeout = absl::Hours(1);
  const uint16_t port = Serve(SettingsOf(identity), options);
  const auto http2 = server->Listen(
      {.address = "127.0.0.1", .protocol = Protocol::kHttp2, .tls = credentials}, &handler);
  ASSERT_TRUE(http2.ok());
  PlainClient silent(port);
  PlainClient silent_http2(*http2);
  TlsTestClient client(port, {});
  ASSERT_TRUE(client.Shake());
  client.Send(Echo("one"));
  client.ReadUntil("one");
  std::promise<void> done;
  server->StartDrain([&done] { done.set_value(); });
  EXPECT_EQ(silent.ReadAll(), "");
  EXPECT_EQ(silent_http2.ReadAll(), "");
  EXPECT_EQ(client.ReadAll(), "");
  EXPECT_TRUE(client.ended_cleanly());
  done.get_future().wait();
  EXPECT_EQ(server->connections(), 0u);
}

TEST_F(TlsServerTest, ManyClientsAtOnceWhileCertificatesChange) {
  const uint16_t port = Serve(SettingsOf(identity), {.loops = 2});
  std::vector<std::thread> clients;
  for (int t = 0; t < 4; ++t) {
    clients.emplace_back([this, port, t] {
      for (int i = 0; i < 25; ++i) {
        TlsTestClient client(port, {.trusts = &authority});
        ASSERT_TRUE(client.Shake()) << client.error();
        for (int j = 0; j < 5; ++j) {
          const std::string body = "<" + std::to_string(t * 1000 + i * 10 + j) + ">";
          client.Send(Echo(body));
          EXPECT_THAT(client.ReadUntil(body), EndsWith(body));
        }
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    credentials->Replace(ContextOf(SettingsOf(authority.Issue("server"))));
  }
  for (auto& client : clients) {
    client.join();
  }
}

}  // namespace
}  // namespace baton::net
