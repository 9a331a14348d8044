#include "frontend/grpc/reflection_service.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "codec/grpc/reflection_codec.h"
#include "frontend/grpc/message_stream.h"

namespace baton::frontend::grpc {
namespace {

using Services = std::shared_ptr<const std::vector<std::string>>;

class Reflection final : public MessageStream {
 public:
  Reflection(const net::ExchangePtr& exchange, Services services)
      : MessageStream(exchange), services_(std::move(services)) {}

 private:
  void OnMessage(std::string_view message) override {
    absl::StatusOr<std::string> answer = codec::grpc::AnswerReflection(message, *services_);
    if (!answer.ok()) return Finish(answer.status());
    Send(*answer);
  }
  void OnHalfClose() override { Finish(absl::OkStatus()); }

  const Services services_;
};

}  // namespace

void RegisterReflection(GrpcHandler& handler) {
  std::vector<std::string> names = handler.Services();
  std::vector<std::string> paths;
  for (std::string_view version : {"v1", "v1alpha"}) {
    names.push_back(base::StrCat("grpc.reflection.", version, ".ServerReflection"));
    paths.push_back(base::StrCat("/", names.back(), "/ServerReflectionInfo"));
  }
  std::sort(names.begin(), names.end());
  const auto services = std::make_shared<const std::vector<std::string>>(std::move(names));
  for (const std::string& path : paths) {
    handler.AddStream(path, [services](const net::ExchangePtr& exchange) {
      return std::make_unique<Reflection>(exchange, services);
    });
  }
}

}  // namespace baton::frontend::grpc
