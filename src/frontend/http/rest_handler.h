#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "frontend/http/rest_call.h"
#include "frontend/http/rest_path.h"
#include "metrics/registry.h"
#include "net/exchange.h"
#include "service/call_gate.h"
#include "service/inference_service.h"
#include "service/model_service.h"

namespace baton::frontend::http {

// The REST side of a listener: TensorFlow Serving's API under /v1/ (contract §4), and beside it
// /metrics, /healthz (the process lives) and /readyz (it should get traffic).
//
// Threads: thread-safe. Owner: server/; outlives net::Server. Errors: as {"error": ...} with the
// mapped HTTP status.
class RestHandler final : public net::RequestHandler {
 public:
  struct Options {
    absl::Duration timeout = absl::Seconds(30);  // of one inference; <= 0: none
    bool cors = false;
    bool gzip_replies = false;  // for clients that accept it
    uint64_t max_body_bytes = uint64_t{1} << 31;
    bool check_method_name = false;  // --enable_signature_method_name_check
    size_t max_calls = 0;            // requests worked on at once; 0: any number
    size_t max_waiting = 10000;      // of the rest; more are refused
    // Where TensorFlow Serving's metrics page is (contract §8.1), and its text; empty: nowhere.
    std::string monitoring_path = {};
    std::function<std::string()> monitoring_page = {};
  };

  // Everything is borrowed and outlives the handler.
  RestHandler(Options options, const service::InferenceService* inference,
              const service::ModelService* models, const service::Health* health,
              const metrics::Registry* metrics);

  void OnRequest(net::ExchangePtr exchange) override;
  uint64_t MaxBodyBytes(const net::Request& request) override;
  void OnBodyTooLarge(net::ExchangePtr exchange, uint64_t limit) override;

 private:
  // Whether the target is the monitoring page's, whatever the method; then it was answered.
  bool AnswerMonitoring(std::string_view target, const net::ExchangePtr& exchange) const;

  void Dispatch(RestPath path, const RestCallPtr& call);

  const Options options_;
  service::CallGate gate_;
  const service::InferenceService* const inference_;
  const service::ModelService* const models_;
  const service::Health* const health_;
  const metrics::Registry* const metrics_;
};

}  // namespace baton::frontend::http
