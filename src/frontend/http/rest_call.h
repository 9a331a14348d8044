#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/buffer.h"
#include "net/pending_answer.h"
#include "predict/call.h"
#include "service/call_gate.h"
#include "service/call_record.h"

namespace baton::frontend::http {

// One REST request under /v1/: its deadline, and the way to answer it once. Records its own metric
// sample.
//
// Threads: created on a loop thread; the Finish functions may be called on any thread, the first
// one counts. Owner: shared by whoever still works on the answer. A call that is dropped unanswered
// answers 500.
class RestCall {
 public:
  struct Options {
    absl::Duration timeout;
    bool cors = false;
    bool gzip_reply = false;
  };
  RestCall(Options options, net::ExchangePtr exchange, std::string_view method,
           service::RequestMetrics* metrics);
  ~RestCall();

  const net::Request& request() const { return pending_->request(); }
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
  void FinishJson(base::Buffer body);
  // Any other answer of the contract: a status with or without a body, counted under `code`.
  void FinishPlain(int status, absl::StatusCode code, std::string_view content_type);

  void ArmDeadline() { pending_->ArmDeadline(); }

 private:
  void Answer(int status, std::string_view content_type, base::Buffer body);

  const Options options_;
  service::CallRecord record_;
  const std::shared_ptr<net::PendingAnswer> pending_;
  service::CallGate::Place place_;
};

using RestCallPtr = std::shared_ptr<RestCall>;

// A REST answer: the content type, then the CORS fields when they are switched on.
net::Response MakeResponse(int status, std::string_view content_type, base::Buffer body, bool cors);

}  // namespace baton::frontend::http
