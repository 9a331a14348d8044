#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "predict/call.h"
#include "service/request_metrics.h"

namespace baton::service {

// What every protocol notes of one call: when it came and is due, whether it is still wanted, which
// servable it found, and its one metric sample.
//
// Threads: SetServable by the thread the call starts on; Finish by any, the first one counts.
// Owner: the call of a front end; borrows the metrics. Errors: none.
class CallRecord {
 public:
  struct Options {
    std::string_view method;  // static
    Entrypoint entrypoint = Entrypoint::kGrpc;
    absl::Time arrival;
    absl::Time deadline = absl::InfiniteFuture();
  };
  CallRecord(const Options& options, RequestMetrics* metrics)
      : options_(options), metrics_(metrics) {}

  const std::shared_ptr<predict::Cancellation>& cancellation() const { return cancellation_; }
  absl::Time deadline() const { return options_.deadline; }
  // For the predictor stack; `may_run_inline` is set, as a call starts on its loop thread.
  predict::CallContext context() const;

  // The model's name as the client said it, cut to what a metric's label may be.
  void SetRequestedModel(std::string_view name) {
    requested_model_ = name.substr(0, metrics::ServingMetrics::kMaxNameBytes);
  }
  // What the sample is labelled with; the version's name once it is known.
  void SetServable(std::string_view model, int64_t version, std::string_view signature);

  // Around the model's run, its queue included. EndRun on the thread that then calls Finish.
  void BeginRun() { run_begin_ = absl::Now(); }
  void EndRun() { run_latency_ = absl::Now() - run_begin_; }

  bool is_finished() const { return is_finished_; }
  // Records the sample. False: the call was finished before.
  bool Finish(absl::StatusCode code);

 private:
  const Options options_;
  RequestMetrics* const metrics_;
  const std::shared_ptr<predict::Cancellation> cancellation_ =
      std::make_shared<predict::Cancellation>();
  std::string model_;
  int64_t version_ = 0;
  std::string signature_;
  std::string requested_model_;
  absl::Time run_begin_;
  absl::Duration run_latency_ = absl::InfiniteDuration();
  std::atomic<bool> is_finished_{false};
};

}  // namespace baton::service
