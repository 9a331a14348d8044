#include "net/server.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <set>
#include <thread>

#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "net/event_loop.h"
#include "net/http_status.h"

namespace baton::net {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Response Text(std::string text) {
  Response response;
  response.headers = {{"Content-Type", "text/plain"}};
  response.body.push_back(base::Buffer::FromString(std::move(text)));
  return response;
}

// "/echo" answers at once with the body; "/big" with 20 MB; everything else is kept for the test.
class TestHandler final : public RequestHandler {
 public:
  void OnRequest(ExchangePtr exchange) override {
    if (exchange->request().target == "/echo") {
      Response response;
      response.body.push_back(exchange->request().body);
      exchange->Respond(std::move(response));
    } else if (exchange->request().target == "/big") {
      exchange->Respond(Text(std::string(20'000'000, 'b')));
    } else {
      exchange->OnCancel([this] {
        base::MutexLock lock(mutex_);
        ++cancelled_;
        changed_.NotifyAll();
      });
      base::MutexLock lock(mutex_);
      kept_.push_back(std::move(exchange));
      changed_.NotifyAll();
    }
  }
  uint64_t MaxBodyBytes(const Request& request) override { return 16 << 20; }
  void OnBodyTooLarge(ExchangePtr exchange, uint64_t limit) override {
    exchange->Respond(HtmlError(413));
  }

  // Waits for the n-th kept request.
  ExchangePtr Kept(size_t n) {
    base::MutexLock lock(mutex_);
    while (kept_.size() <= n) {
      changed_.Wait(mutex_);
    }
    return kept_[n];
  }
  void WaitForCancelled(int n) {
    base::MutexLock lock(mutex_);
    while (cancelled_ < n) {
      changed_.Wait(mutex_);
    }
  }
  void Forget() {
    base::MutexLock lock(mutex_);
    kept_.clear();
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<ExchangePtr> kept_ ABSL_GUARDED_BY(mutex_);
  int cancelled_ ABSL_GUARDED_BY(mutex_) = 0;
};

// A blocking client socket.
class Client {
 public:
  explicit Client(uint16_t port, int family = AF_INET) : fd_(socket(family, SOCK_STREAM, 0)) {
    if (family == AF_INET6) {
      sockaddr_in6 address{};
      address.sin6_family = AF_INET6;
      address.sin6_port = htons(port);
      address.sin6_addr = in6addr_loopback;
      Connect(&address, sizeof(address));
    } else {
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(port);
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      Connect(&address, sizeof(address));
    }
  }
  explicit Client(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, path.size());
    Connect(&address, sizeof(address));
  }
  ~Client() {
    if (fd_ >= 0) close(fd_);
  }
  Client(Client&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_) {}

  bool connected() const { return connected_; }
  int fd() const { return fd_; }

  // False when the server does not want more.
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(count));
    }
    return true;
  }
  void ShutHalf() { shutdown(fd_, SHUT_WR); }
  void Reset() {
    const linger now{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(std::exchange(fd_, -1));
  }
  // Until the end of the connection; "!" is added when that was an error.
  std::string ReadAll() {
    std::string all;
    char block[65536];
    for (;;) {
      const ssize_t count = read(fd_, block, sizeof(block));
      if (count <= 0) return count == 0 ? all : all + "!";
      all.append(block, static_cast<size_t>(count));
    }
  }
  std::string ReadUntil(std::string_view end) {
    std::string all;
    char byte;
    while (!all.ends_with(end) && read(fd_, &byte, 1) == 1) {
      all += byte;
    }
    return all;
  }

 private:
  void Connect(const void* address, socklen_t size) {
    connected_ = connect(fd_, static_cast<const sockaddr*>(address), size) == 0;
  }
  int fd_;
  bool connected_ = false;
};

std::string Echo(std::string_view body, std::string_view fields = "") {
  return "POST /echo HTTP/1.1\r\n" + std::string(fields) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

class ServerTest : public ::testing::Test {
 protected:
  ~ServerTest() override {
    handler.Forget();
    server.reset();
  }

  uint16_t Serve(ServerOptions options = {}, std::string address = "127.0.0.1") {
    auto made = Server::Create(std::move(options));
    EXPECT_TRUE(made.ok());
    server = *std::move(made);
    const auto port = server->Listen({.address = std::move(address)}, &handler);
    EXPECT_TRUE(port.ok()) << port.status();
    server->Start();
    return port.value_or(0);
  }

  TestHandler handler;
  std::unique_ptr<Server> server;
};

TEST_F(ServerTest, AnswersOverTcpOfBothFamilies) {
  const struct {
    const char* address;
    std::vector<int> families;
  } rows[] = {{"127.0.0.1", {AF_INET}}, {"0.0.0.0", {AF_INET}}, {"[::]", {AF_INET, AF_INET6}}};
  for (const auto& row : rows) {
    const uint16_t port = Serve({}, row.address);
    ASSERT_NE(port, 0) << row.address;
    for (const int family : row.families) {
      Client client(port, family);
      ASSERT_TRUE(client.connected()) << row.address;
      client.Send(Echo("hello", "Connection: close\r\n"));
      EXPECT_THAT(client.ReadAll(), EndsWith("hello")) << row.address;
    }
  }
}

TEST_F(ServerTest, AUnixSocketReplacesAnOldOneAndIsRemovedAtTheEnd) {
  const std::string path = ::testing::TempDir() + "net_server_test.sock";
  std::filesystem::remove(path);
  Serve({}, "unix:" + path);
  auto old = std::move(server);
  Serve({}, "unix:" + path);
  Client client(path);
  ASSERT_TRUE(client.connected());
  client.Send(Echo("hello", "Connection: close\r\n"));
  EXPECT_THAT(client.ReadAll(), EndsWith("hello"));
  old.reset();
  EXPECT_TRUE(std::filesystem::exists(path)) << "the older server removed the newer one's file";
  server->Stop();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(ServerTest, SaysWhatCannotBeBound) {
  const uint16_t port = Serve();
  const std::string file = ::testing::TempDir() + "net_server_test.txt";
  std::ofstream(file) << "precious";
  const struct {
    Endpoint endpoint;
    absl::StatusCode code;
  } rows[] = {
      {{.address = "127.0.0.1", .port = port}, absl::StatusCode::kUnavailable},
      {{.address = "unix:" + file}, absl::StatusCode::kUnavailable},
      {{.address = "unix:/nowhere/at/all"}, absl::StatusCode::kUnavailable},
      {{.address = "unix:" + std::string(200, 'x')}, absl::StatusCode::kInvalidArgument},
      {{.address = "unix:"}, absl::StatusCode::kInvalidArgument},
      {{.address = ""}, absl::StatusCode::kInvalidArgument},
      {{.address = "300.1.1.1"}, absl::StatusCode::kInvalidArgument},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(server->Listen(row.endpoint, &handler).status().code(), row.code)
        << row.endpoint.address;
  }
  EXPECT_TRUE(std::filesystem::exists(file));
  EXPECT_FALSE(Server::Create({.loops = 0}).ok());
}

TEST_F(ServerTest, ConnectionsGoToTheLoopWithTheFewest) {
  const uint16_t port = Serve({.loops = 3});
  std::vector<Client> clients;
  std::multiset<int> loops;
  for (size_t i = 0; i < 9; ++i) {
    clients.emplace_back(port);
    clients.back().Send("GET /keep HTTP/1.1\r\n\r\n");
    loops.insert(handler.Kept(i)->loop().index());
  }
  EXPECT_THAT(loops, ::testing::ElementsAre(0, 0, 0, 1, 1, 1, 2, 2, 2));
  EXPECT_EQ(server->connections(), 9u);
  // Answers from a thread that is none of the loops'.
  for (size_t i = 0; i < 9; ++i) {
    handler.Kept(i)->Respond(Text("late"));
    EXPECT_THAT(clients[i].ReadUntil("late"), EndsWith("late"));
  }
}

TEST_F(ServerTest, LargeBodiesAndAnswersPassASlowReader) {
  const uint16_t port = Serve();
  Client client(port);
  std::string body(12'000'000, 'x');
  for (size_t i = 0; i < body.size(); i += 7) {
    body[i] = static_cast<char>('a' + i % 23);
  }
  ASSERT_TRUE(client.Send(Echo(body)));
  // Three more whose answers pile up while nobody reads.
  client.Send("GET /big HTTP/1.1\r\n\r\nGET /big HTTP/1.1\r\n\r\n");
  client.Send(Echo("end", "Connection: close\r\n"));
  const std::string all = client.ReadAll();
  EXPECT_TRUE(all.find(body) != std::string::npos);
  EXPECT_GT(all.size(), body.size() + 40'000'000);
  EXPECT_TRUE(all.ends_with("\r\n\r\nend"));
}

TEST_F(ServerTest, AClientThatShutItsHalfGetsItsAnswer) {
  const uint16_t port = Serve();
  Client client(port);
  client.Send("GET /keep HTTP/1.1\r\n\r\n");
  client.ShutHalf();
  auto exchange = handler.Kept(0);
  // Round trips on the same loop: the end of input has been seen before the answer.
  Client other(port);
  other.Send(Echo("x", "Connection: close\r\n"));
  other.ReadAll();
  EXPECT_FALSE(exchange->cancelled());
  exchange->Respond(Text("late"));
  EXPECT_THAT(client.ReadAll(), EndsWith("late"));
}

TEST_F(ServerTest, AResetCancelsEvenAfterAHalfClose) {
  const uint16_t port = Serve();
  Client first(port);
  first.Send("GET /keep HTTP/1.1\r\n\r\n");
  handler.Kept(0);
  first.Reset();
  handler.WaitForCancelled(1);
  EXPECT_TRUE(handler.Kept(0)->cancelled());
  Client second(port);
  second.Send("GET /keep HTTP/1.1\r\n\r\n");
  second.ShutHalf();
  handler.Kept(1);
  second.Reset();
  handler.WaitForCancelled(2);
}

TEST_F(ServerTest, AClientThatStillSendsReadsWhyItIsRefused) {
  const uint16_t port = Serve();
  Client client(port);
  client.Send("POST /echo HTTP/1.1\r\nContent-Length: 50000000\r\n\r\n");
  pollfd readable{.fd = client.fd(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(poll(&readable, 1, -1), 1);
  // The answer is there and the server is done, but it must not cut off a client that has not
  // looked yet.
  EXPECT_TRUE(client.Send(std::string(8'000'000, 'x')));
  EXPECT_THAT(client.ReadAll(), AllOf(StartsWith("HTTP/1.1 413 "), EndsWith("</HTML>\n")));
}

TEST_F(ServerTest, TheNextConnectionWaitsWhenThereAreTooMany) {
  ServerOptions options{.loops = 2};
  options.limits.max_connections = 2;
  const uint16_t port = Serve(options);
  auto first = std::make_unique<Client>(port);
  Client second(port);
  for (Client* client : {first.get(), &second}) {
    client->Send(Echo("here"));
    EXPECT_THAT(client->ReadUntil("here"), EndsWith("here"));
  }
  Client third(port);
  third.Send(Echo("third", "Connection: close\r\n"));
  second.Send(Echo("again"));
  second.ReadUntil("again");
  EXPECT_EQ(server->connections(), 2u);
  first.reset();
  EXPECT_THAT(third.ReadAll(), EndsWith("third"));
}

TEST_F(ServerTest, RunningOutOfDescriptorsOnlyDelays) {
  const uint16_t port = Serve();
  Client warm_up(port);
  warm_up.Send(Echo("x", "Connection: close\r\n"));
  warm_up.ReadAll();
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  Client client(port);  // its descriptor is there before they run out
  Client waits(port);
  client.Send(Echo("x"));
  client.ReadUntil("\r\n\r\nx");
  waits.Send(Echo("x"));
  waits.ReadUntil("\r\n\r\nx");
  const int late = socket(AF_INET, SOCK_STREAM, 0);
  const rlimit none{.rlim_cur = static_cast<rlim_t>(late) + 1, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  std::vector<int> filling;
  for (int fd = dup(late); fd >= 0; fd = dup(late)) {
    filling.push_back(fd);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(connect(late, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  const std::string request = Echo("late", "Connection: close\r\n");
  ASSERT_EQ(send(late, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  client.Send(Echo("still served"));
  EXPECT_THAT(client.ReadUntil("still served"), EndsWith("still served"));
  pollfd readable{.fd = late, .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&readable, 1, 0), 0) << "was accepted without a descriptor?";
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  char block[1000];
  EXPECT_GT(read(late, block, sizeof(block)), 0);
  close(late);
  for (const int fd : filling) {
    close(fd);
  }
}

TEST_F(ServerTest, ADrainFinishesWhatIsUnderWayAndTakesNothingNew) {
  const uint16_t port = Serve({.loops = 2});
  Client idle(port);
  idle.Send(Echo("x"));
  idle.ReadUntil("\r\n\r\nx");
  Client busy(port);
  busy.Send("GET /keep HTTP/1.1\r\n\r\n");
  auto exchange = handler.Kept(0);
  std::promise<void> done;
  auto is_done = done.get_future();
  server->StartDrain([&done] { done.set_value(); });
  EXPECT_EQ(idle.ReadAll(), "");
  Client late(port);
  EXPECT_FALSE(late.connected());
  EXPECT_EQ(is_done.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  exchange->Respond(Text("late"));
  EXPECT_THAT(busy.ReadAll(), AllOf(HasSubstr("Connection: close\r\n\r\n"), EndsWith("late")));
  is_done.wait();
  EXPECT_EQ(server->connections(), 0u);
}

TEST_F(ServerTest, ADrainWithoutConnectionsIsDoneAtOnce) {
  Serve({.loops = 2});
  std::promise<void> done;
  server->StartDrain([&done] { done.set_value(); });
  done.get_future().wait();
}

TEST_F(ServerTest, StopCutsAndCancelsWhatIsLeft) {
  const uint16_t port = Serve({.loops = 2});
  Client client(port);
  client.Send("GET /keep HTTP/1.1\r\n\r\n");
  auto exchange = handler.Kept(0);
  server->Stop();
  EXPECT_TRUE(exchange->cancelled());
  EXPECT_EQ(client.ReadAll(), "");
  exchange->Respond(Text("nobody hears"));
}

TEST_F(ServerTest, AServerMayEndWithoutHavingStarted) {
  auto made = Server::Create({});
  ASSERT_TRUE(made.ok());
  ASSERT_TRUE((*made)->Listen({.address = "127.0.0.1"}, &handler).ok());
}

TEST_F(ServerTest, ManyClientsAndThreadsAtOnce) {
  const uint16_t port = Serve({.loops = 2});
  std::vector<std::thread> clients;
  for (int t = 0; t < 8; ++t) {
    clients.emplace_back([port, t] {
      for (int i = 0; i < 20; ++i) {
        Client client(port);
        for (int j = 0; j < 10; ++j) {
          const std::string body = "<" + std::to_string(t * 1000 + i * 10 + j) + ">";
          client.Send(Echo(body));
          EXPECT_THAT(client.ReadUntil(body), EndsWith(body));
        }
      }
    });
  }
  for (auto& client : clients) {
    client.join();
  }
}

}  // namespace
}  // namespace baton::net
