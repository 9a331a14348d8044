#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lifecycle/servable_registry.h"
#include "predict/call.h"
#include "predict/model_spec.h"
#include "reqlog/request_loggers.h"
#include "service/request_metrics.h"

namespace baton::service {

// A request that has found its model: a lease on the version, and the way to run it. Movable.
//
// Threads: one at a time. The lease ends with the session or, after Run, when the sink's callback
// has returned.
class Session {
 public:
  const lifecycle::ServableId& id() const { return handle_->id(); }
  const engine::SignatureTable& signatures() const { return handle_->signatures(); }
  const engine::Model& model() const { return handle_->model(); }
  const lifecycle::ServableHandle& handle() const { return handle_; }

  // Checks the request against its signature (dtypes; shapes are the graph's business) and hands it
  // to the version's predictor stack. `request.signature` must come from signatures(). The callback
  // runs exactly once: before Run returns, or later on another thread.
  void Run(predict::CallContext context, predict::PredictRequest request,
           predict::ResponseSink::Callback done) &&;

 private:
  friend class InferenceService;  // the only maker of sessions
  explicit Session(lifecycle::ServableHandle handle) : handle_(std::move(handle)) {}

  lifecycle::ServableHandle handle_;
};

// The one request path: every protocol comes through here.
//
// Threads: thread-safe. Owner: server/; front ends borrow.
class InferenceService {
 public:
  // Borrowed; all outlive the service. Without loggers nothing is logged.
  InferenceService(const lifecycle::ServableRegistry* registry, RequestMetrics* metrics,
                   const reqlog::RequestLoggers* loggers = nullptr)
      : registry_(registry), metrics_(metrics), loggers_(loggers) {}

  // Resolves the spec once; from here the version is pinned. Errors: contract §3.2.
  absl::StatusOr<Session> Begin(const predict::ModelSpec& spec) const;

  RequestMetrics& metrics() const { return *metrics_; }

  // The model's logger if this request of it, should it succeed, is to be logged; else null. Ask
  // once per request.
  std::shared_ptr<const reqlog::Logger> SampleLogger(std::string_view model) const {
    return loggers_ == nullptr ? nullptr : loggers_->Sample(model);
  }

 private:
  const lifecycle::ServableRegistry* registry_;
  RequestMetrics* metrics_;
  const reqlog::RequestLoggers* loggers_;
};

}  // namespace baton::service
