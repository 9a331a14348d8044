#include "frontend/grpc/health_service.h"

#include <array>
#include <set>
#include <utility>

#include "base/strings.h"
#include "codec/grpc/wire_reader.h"
#include "frontend/grpc/message_stream.h"
#include "net/event_loop.h"

namespace baton::frontend::grpc {
namespace {

enum ServingStatus : char { kServing = 1, kNotServing = 2, kServiceUnknown = 3 };

constexpr std::array<std::string_view, 5> kServices = {"", "ModelService", "PredictionService",
                                                       "tensorflow.serving.ModelService",
                                                       "tensorflow.serving.PredictionService"};

bool IsKnown(std::string_view service) {
  for (std::string_view known : kServices) {
    if (service == known) return true;
  }
  return false;
}

// HealthCheckRequest{service = 1}.
absl::StatusOr<std::string> ParseRequest(std::string_view message) {
  std::string service;
  codec::grpc::WireReader reader(message);
  while (reader.Next()) {
    if (reader.field() == 1) service = std::string(reader.bytes());
  }
  if (!reader.ok()) return absl::InvalidArgumentError("malformed HealthCheckRequest");
  return service;
}

// HealthCheckResponse{status = 1}.
std::string Encode(ServingStatus status) { return {'\x08', status}; }

}  // namespace

// One Watch call: sends the status at once and at every change, until the peer leaves.
class HealthService::Watcher final : public MessageStream,
                                     public std::enable_shared_from_this<Watcher> {
 public:
  Watcher(net::ExchangePtr exchange, std::shared_ptr<Watchers> watchers,
          const service::Health* health);
  // Any thread.
  void Notify();

 private:
  void OnMessage(std::string_view message) override;
  void OnHalfClose() override;
  void SendStatus();

  const std::shared_ptr<Watchers> watchers_;
  const service::Health* const health_;
  std::string service_;
  bool asked_ = false;
  char last_ = 0;
};

// Every live Watch call. Outlives the service when calls do.
class HealthService::Watchers {
 public:
  void Add(std::weak_ptr<Watcher> watcher) {
    base::MutexLock lock(mutex_);
    std::erase_if(all_, [](const std::weak_ptr<Watcher>& w) { return w.expired(); });
    all_.push_back(std::move(watcher));
  }
  void NotifyAll() {
    std::vector<std::weak_ptr<Watcher>> all;
    {
      base::MutexLock lock(mutex_);
      all = all_;
    }
    for (const auto& weak : all) {
      if (auto watcher = weak.lock()) watcher->Notify();
    }
  }

 private:
  base::Mutex mutex_;
  std::vector<std::weak_ptr<Watcher>> all_ ABSL_GUARDED_BY(mutex_);
};

HealthService::Watcher::Watcher(net::ExchangePtr exchange, std::shared_ptr<Watchers> watchers,
                                const service::Health* health)
    : MessageStream(std::move(exchange)), watchers_(std::move(watchers)), health_(health) {}

void HealthService::Watcher::Notify() {
  exchange()->loop().Post([weak = weak_from_this()] {
    if (auto self = weak.lock()) self->SendStatus();
  });
}

void HealthService::Watcher::OnMessage(std::string_view message) {
  if (asked_) return Finish(absl::InvalidArgumentError("Watch takes one request"));
  absl::StatusOr<std::string> service = ParseRequest(message);
  if (!service.ok()) return Finish(service.status());
  asked_ = true;
  service_ = *std::move(service);
  watchers_->Add(weak_from_this());
  SendStatus();
}

void HealthService::Watcher::OnHalfClose() {
  if (!asked_) Finish(absl::InternalError("request without a message"));
}

void HealthService::Watcher::SendStatus() {
  if (!asked_ || finished() || exchange()->cancelled()) return;
  const ServingStatus status = !IsKnown(service_) ? kServiceUnknown
                               : health_->ready() ? kServing
                                                  : kNotServing;
  if (status == std::exchange(last_, status)) return;
  Send(Encode(status));
  // A server that drains must not be held open by those who watch it do so.
  if (status == kNotServing) Finish(absl::UnavailableError("the server is shutting down"));
}

namespace {

// The connection owns its reader alone; a watcher is shared with the list that notifies it.
class SharedReader final : public net::StreamReader {
 public:
  explicit SharedReader(std::shared_ptr<net::StreamReader> reader) : reader_(std::move(reader)) {}
  void OnData(std::string_view bytes) override { reader_->OnData(bytes); }
  void OnEnd() override { reader_->OnEnd(); }

 private:
  const std::shared_ptr<net::StreamReader> reader_;
};

}  // namespace

HealthService::HealthService(service::Health* health)
    : health_(health), watchers_(std::make_shared<Watchers>()) {
  health_->AddListener([watchers = watchers_](bool) { watchers->NotifyAll(); });
}

HealthService::~HealthService() = default;

void HealthService::Register(GrpcHandler& handler) {
  handler.AddUnary("/grpc.health.v1.Health/Check",
                   [this](const UnaryCallPtr& call) { Check(call); });
  handler.AddStream("/grpc.health.v1.Health/Watch", [this](const net::ExchangePtr& exchange) {
    return std::make_unique<SharedReader>(std::make_shared<Watcher>(exchange, watchers_, health_));
  });
}

void HealthService::Check(const UnaryCallPtr& call) const {
  absl::StatusOr<std::string> service = ParseRequest(call->message().view());
  if (!service.ok()) return call->FinishError(service.status());
  if (!IsKnown(*service)) return call->FinishError(absl::NotFoundError("unknown service"));
  call->FinishMessage(Encode(health_->ready() ? kServing : kNotServing));
}

}  // namespace baton::frontend::grpc
