#include "frontend/grpc/reflection_service.h"

#include <utility>

#include "codec/grpc/reflection_codec.h"
#include "frontend/grpc/message_stream.h"

namespace baton::frontend::grpc {
namespace {

class Reflection final : public MessageStream {
 public:
  using MessageStream::MessageStream;

 private:
  void OnMessage(std::string_view message) override {
    absl::StatusOr<std::string> answer = codec::grpc::AnswerReflection(message);
    if (!answer.ok()) return Finish(answer.status());
    Send(*answer);
  }
  void OnHalfClose() override { Finish(absl::OkStatus()); }
};

}  // namespace

void RegisterReflection(GrpcHandler& handler) {
  for (std::string_view version : {"v1", "v1alpha"}) {
    handler.AddStream(
        base::StrCat("/grpc.reflection.", version, ".ServerReflection/ServerReflectionInfo"),
        [](const net::ExchangePtr& exchange) { return std::make_unique<Reflection>(exchange); });
  }
}

}  // namespace baton::frontend::grpc
