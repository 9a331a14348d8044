// The order in which the parts of a server end. What goes wrong here is memory used after its end:
// the sanitizers see it.

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "frontend/grpc/grpc_message.h"
#include "net/http2_test_client.h"
#include "server/server.h"
#include "tensorflow_serving/apis/model_management.pb.h"

namespace baton::server {
namespace {

// A connection that says what it is told, and hears when it was read.
class RawClient {
 public:
  explicit RawClient(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    Send(net::RawPreface());
  }
  ~RawClient() { close(fd_); }

  void Call(const std::string& path, const std::string& message) {
    std::string framed(frontend::grpc::kPrefixBytes, '\0');
    frontend::grpc::WritePrefix(framed.data(), false, static_cast<uint32_t>(message.size()));
    Send(net::RawFrame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1,
                       net::RawHeaderBlock(net::RequestFields(path))) +
         net::RawFrame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, framed + message));
  }

  // The answer to a ping comes after everything before it was handled.
  void WaitUntilRead() {
    const std::string mark = "are-here";
    Send(net::RawFrame(NGHTTP2_PING, 0, 0, mark));
    std::string heard;
    while (heard.find(mark) == std::string::npos) {
      char bytes[4096];
      const ssize_t got = recv(fd_, bytes, sizeof(bytes), 0);
      ASSERT_GT(got, 0);
      heard.append(bytes, static_cast<size_t>(got));
    }
  }

 private:
  void Send(const std::string& bytes) {
    EXPECT_EQ(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }

  const int fd_;
};

TEST(ShutdownTest, AReloadThatWaitsForAModelMayOutliveItsConnection) {
  Options options;
  options.port = -1;
  options.event_loops = options.engine_threads = 1;
  options.model_base_path = "/nowhere";
  auto server = Server::Create(options);
  ASSERT_TRUE(server.ok()) << server.status();
  ASSERT_TRUE((*server)->Listen().ok());

  tensorflow::serving::ReloadConfigRequest request;
  auto* model = request.mutable_config()->mutable_model_config_list()->add_config();
  model->set_name("m");
  model->set_base_path("/nowhere");  // never a version: the call waits
  model->set_model_platform("tensorflow");
  RawClient client((*server)->grpc_port());
  client.Call("/tensorflow.serving.ModelService/HandleReloadConfigRequest",
              request.SerializeAsString());
  client.WaitUntilRead();
  server->reset();
}

}  // namespace
}  // namespace baton::server
