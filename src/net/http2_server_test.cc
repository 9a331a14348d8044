// HTTP/2 through real sockets: what the session tests cannot see.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "net/http2_test_client.h"
#include "net/server.h"

namespace baton::net {
namespace {

// Keeps requests to "/hold" and echoes all others.
class EchoHandler final : public RequestHandler {
 public:
  void OnRequest(ExchangePtr exchange) override {
    if (exchange->request().target == "/hold") {
      exchange->OnCancel([this] { Note(&cancelled_); });
      base::MutexLock lock(mutex_);
      held_.push_back(std::move(exchange));
      changed_.NotifyAll();
      return;
    }
    Response response;
    response.headers = {{"content-type", "application/grpc"}};
    response.body.push_back(exchange->request().body);
    response.trailers = {{"grpc-status", "0"}};
    exchange->Respond(std::move(response));
  }
  void OnBodyTooLarge(ExchangePtr exchange, uint64_t limit) override {}

  ExchangePtr WaitForHeld(size_t count) {
    base::MutexLock lock(mutex_);
    while (held_.size() < count) {
      changed_.Wait(mutex_);
    }
    return held_.back();
  }
  void WaitForCancelled(int count) {
    base::MutexLock lock(mutex_);
    while (cancelled_ < count) {
      changed_.Wait(mutex_);
    }
  }
  void Note(int* counter) {
    base::MutexLock lock(mutex_);
    ++*counter;
    changed_.NotifyAll();
  }
  void Release() {
    base::MutexLock lock(mutex_);
    held_.clear();
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<ExchangePtr> held_ ABSL_GUARDED_BY(mutex_);
  int cancelled_ = 0;  // guarded by mutex_
};

class SocketClient : public Http2TestClient {
 public:
  explicit SocketClient(uint16_t port, std::vector<nghttp2_settings_entry> settings = {})
      : Http2TestClient(std::move(settings)), fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  ~SocketClient() { close(fd_); }

  // Talks until `done`, or the server closed.
  void TalkUntil(const std::function<bool()>& done) {
    while (!closed_ && !done()) {
      pending_ += Output();
      pollfd poller{fd_, static_cast<short>(pending_.empty() ? POLLIN : POLLIN | POLLOUT), 0};
      ASSERT_GT(poll(&poller, 1, 20'000), 0) << "nothing happens";
      if ((poller.revents & POLLOUT) != 0) {
        const ssize_t sent =
            send(fd_, pending_.data(), pending_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        pending_.erase(0, sent > 0 ? static_cast<size_t>(sent) : 0);
      }
      if ((poller.revents & (POLLIN | POLLHUP)) != 0) {
        std::string buffer(65536, '\0');
        const ssize_t got = recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
        closed_ = got == 0 || (got < 0 && errno != EAGAIN);
        Input(std::string_view(buffer).substr(0, got > 0 ? static_cast<size_t>(got) : 0));
      }
    }
  }
  void TalkUntilAnswered(int32_t id) {
    TalkUntil([&] { return answer(id).closed; });
  }
  bool closed() const { return closed_; }

 private:
  const int fd_;
  std::string pending_;
  bool closed_ = false;
};

class Http2ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ServerOptions options;
    options.loops = 2;
    auto server = Server::Create(options);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    const auto port = server_->Listen({"127.0.0.1", 0, Protocol::kHttp2}, &handler_);
    ASSERT_TRUE(port.ok()) << port.status();
    port_ = *port;
    server_->Start();
  }
  void TearDown() override {
    handler_.Release();
    server_->Stop();
  }

  EchoHandler handler_;
  std::unique_ptr<Server> server_;
  uint16_t port_ = 0;
};

TEST_F(Http2ServerTest, AnswersManyStreamsOfManyConnections) {
  std::vector<std::thread> clients;
  std::atomic<int> good{0};
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&, c] {
      SocketClient client(port_);
      std::vector<int32_t> ids;
      for (int i = 0; i < 200; ++i) {
        ids.push_back(client.Request("request " + std::to_string(c * 1000 + i)));
      }
      for (int i = 0; i < 200; ++i) {
        client.TalkUntilAnswered(ids[i]);
        good += client.answer(ids[i]).body == "request " + std::to_string(c * 1000 + i);
      }
    });
  }
  for (std::thread& client : clients) {
    client.join();
  }
  EXPECT_EQ(good, 800);
}

TEST_F(Http2ServerTest, CarriesLargeBodiesThroughFullSockets) {
  SocketClient client(port_, {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20}});
  std::string body(20 << 20, '\0');
  for (size_t i = 0; i < body.size(); ++i) {
    body[i] = static_cast<char>(i * 31 >> 7);
  }
  const int32_t one = client.Request(body);
  const int32_t two = client.Request(body);
  client.TalkUntilAnswered(one);
  client.TalkUntilAnswered(two);
  EXPECT_TRUE(client.answer(one).body == body);
  EXPECT_TRUE(client.answer(two).body == body);
}

TEST_F(Http2ServerTest, ALostConnectionCancelsItsRequests) {
  {
    SocketClient client(port_);
    client.Request("x", RequestFields("/hold"));
    client.Request("x", RequestFields("/hold"));
    const int32_t echoed = client.Request("x");
    client.TalkUntilAnswered(echoed);
  }
  handler_.WaitForCancelled(2);
  EXPECT_TRUE(handler_.WaitForHeld(2)->cancelled());
}

TEST_F(Http2ServerTest, ADrainAnswersWhatIsUnderWayAndClosesWhatIsIdle) {
  SocketClient idle(port_);
  idle.TalkUntilAnswered(idle.Request("x"));
  SocketClient busy(port_);
  const int32_t held = busy.Request("x", RequestFields("/hold"));
  busy.TalkUntilAnswered(busy.Request("x"));
  const ExchangePtr exchange = handler_.WaitForHeld(1);
  int drained = 0;
  server_->StartDrain([&] { handler_.Note(&drained); });
  idle.TalkUntil([] { return false; });
  EXPECT_TRUE(idle.closed());
  EXPECT_THAT(idle.goaways(), ::testing::ElementsAre(1));
  busy.TalkUntil([&] { return busy.goaways().size() == 2; });
  Response response;
  response.body.push_back(base::Buffer::Copy("at last"));
  exchange->Respond(std::move(response));
  busy.TalkUntil([] { return false; });
  EXPECT_EQ(busy.answer(held).body, "at last");
  EXPECT_TRUE(busy.closed());
  server_->Stop();
  EXPECT_EQ(drained, 1);
}

TEST_F(Http2ServerTest, AFloodIsToldToCalmDown) {
  SocketClient client(port_);
  client.TalkUntilAnswered(client.Request("x"));
  for (int i = 0; i < 10'100; ++i) {
    nghttp2_submit_ping(client.session(), 0, nullptr);
  }
  client.TalkUntil([] { return false; });
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(client.goaway_error(), NGHTTP2_ENHANCE_YOUR_CALM);
}

}  // namespace
}  // namespace baton::net
