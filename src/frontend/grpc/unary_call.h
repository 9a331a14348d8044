#pragma once

#include <atomic>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/buffer.h"
#include "net/pending_answer.h"
#include "predict/call.h"
#include "service/request_metrics.h"

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
            absl::Time arrival, absl::Time deadline, service::RequestMetrics* metrics);
  ~UnaryCall();

  const base::Buffer& message() const { return message_; }
  absl::Time deadline() const { return deadline_; }
  // For the predictor stack; `may_run_inline` is set, as a call starts on its loop thread.
  predict::CallContext context() const;

  // What the sample is labelled with; the version's name once it is known.
  void SetServable(std::string_view model, int64_t version, std::string_view signature);

  void FinishError(const absl::Status& status);
  // One message with room for the prefix in front (grpc_message.h).
  void FinishMessage(std::vector<base::Buffer> parts);
  // One serialized message.
  void FinishMessage(std::string_view message);

  // Starts the deadline if no answer came yet; loop thread, after the method was called.
  void ArmDeadline() { pending_->ArmDeadline(); }

 private:
  void Record(absl::StatusCode code);

  const std::string_view method_;  // static
  const base::Buffer message_;
  const absl::Time arrival_;
  const absl::Time deadline_;
  const bool gzip_reply_;
  service::RequestMetrics* const metrics_;
  const std::shared_ptr<predict::Cancellation> cancellation_;
  std::shared_ptr<net::PendingAnswer> pending_;
  std::string model_;
  int64_t version_ = 0;
  std::string signature_;
  std::atomic<bool> finished_{false};
};

using UnaryCallPtr = std::shared_ptr<UnaryCall>;

}  // namespace baton::frontend::grpc
