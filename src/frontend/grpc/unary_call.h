#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/buffer.h"
#include "frontend/grpc/grpc_message.h"
#include "net/pending_answer.h"
#include "predict/call.h"
#include "service/call_gate.h"
#include "service/call_record.h"

namespace baton::frontend::grpc {

// One unary gRPC call: its message, its deadline, and the way to answer it once. Records its own
// metric sample.
//
// Threads: created on a loop thread; the Finish functions may be called on any thread, the first
// one counts. Owner: shared by whoever still works on the answer. A call that is dropped unanswered
// answers INTERNAL.
class UnaryCall {
 public:
  UnaryCall(net::ExchangePtr exchange, std::string_view method, base::Buffer message,
            absl::Time arrival, absl::Time deadline, service::RequestMetrics* metrics,
            const MessagePolicy& policy = {});
  ~UnaryCall();

  const base::Buffer& message() const { return message_; }
  predict::CallContext context() const { return record_.context(); }
  // For metrics, as CallRecord says.
  void SetRequestedModel(std::string_view name) { record_.SetRequestedModel(name); }
  void BeginRun() { record_.BeginRun(); }
  void EndRun() { record_.EndRun(); }
  void SetServable(std::string_view model, int64_t version, std::string_view signature) {
    record_.SetServable(model, version, signature);
  }

  // For the gate: work on the loop thread, and whether anybody still waits.
  void Post(service::CallGate::Work work) { pending_->Post(std::move(work)); }
  const std::shared_ptr<predict::Cancellation>& cancellation() const {
    return record_.cancellation();
  }
  // A place at the gate, kept until the call is gone.
  void Keep(service::CallGate::Place place) { place_ = std::move(place); }

  void FinishError(const absl::Status& status);
  // One message with room for the prefix in front (grpc_message.h).
  void FinishMessage(std::vector<base::Buffer> parts);
  // One serialized message.
  void FinishMessage(std::string_view message);

  // Starts the deadline if no answer came yet; loop thread, after the method was called.
  void ArmDeadline() { pending_->ArmDeadline(); }

 private:
  service::CallRecord record_;
  const base::Buffer message_;
  const uint64_t max_reply_bytes_;
  const bool gzip_reply_;
  const std::shared_ptr<net::PendingAnswer> pending_;
  service::CallGate::Place place_;
};

using UnaryCallPtr = std::shared_ptr<UnaryCall>;

}  // namespace baton::frontend::grpc
