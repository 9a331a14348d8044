#include "frontend/http/rest_call.h"

#include <utility>

#include "absl/time/clock.h"
#include "base/strings.h"
#include "codec/rest/predict_codec.h"
#include "frontend/http/rest_status.h"
#include "net/gzip.h"

namespace baton::frontend::http {
namespace {

constexpr std::string_view kJson = "application/json";
constexpr size_t kCompressAbove = 1024;

absl::Time DeadlineOf(absl::Time arrival, absl::Duration timeout) {
  return timeout > absl::ZeroDuration() ? arrival + timeout : absl::InfiniteFuture();
}

}  // namespace

net::Response MakeResponse(int status, std::string_view content_type, base::Buffer body,
                           bool cors) {
  net::Response response;
  response.status = status;
  if (!content_type.empty()) {
    response.headers.push_back({"Content-Type", std::string(content_type)});
  }
  if (cors) {
    response.headers.push_back({"Access-Control-Allow-Origin", "*"});
    response.headers.push_back({"Access-Control-Allow-Methods", "POST, GET"});
    response.headers.push_back({"Access-Control-Allow-Headers", "Content-Type"});
  }
  if (!body.empty()) response.body.push_back(std::move(body));
  return response;
}

RestCall::RestCall(Options options, net::ExchangePtr exchange, std::string_view method,
                   service::RequestMetrics* metrics)
    : options_(options),
      method_(method),
      arrival_(absl::Now()),
      deadline_(DeadlineOf(arrival_, options.timeout)),
      metrics_(metrics),
      cancellation_(std::make_shared<predict::Cancellation>()) {
  pending_ = net::PendingAnswer::Create(
      std::move(exchange), deadline_,
      [cors = options.cors] {
        return MakeResponse(
            504, kJson,
            base::Buffer::FromString(codec::rest::ErrorBody("Timed out waiting for notification")),
            cors);
      },
      [cancellation = cancellation_] { cancellation->Cancel(); });
}

RestCall::~RestCall() {
  if (!finished_) FinishError(absl::InternalError("the request was dropped without an answer"));
}

predict::CallContext RestCall::context() const {
  return {.arrival = arrival_,
          .deadline = deadline_,
          .cancellation = cancellation_,
          .may_run_inline = true};
}

void RestCall::SetServable(std::string_view model, int64_t version, std::string_view signature) {
  model_ = model;
  version_ = version;
  signature_ = signature;
}

void RestCall::FinishError(const absl::Status& status) {
  if (finished_.exchange(true)) return;
  Record(status.code());
  Answer(HttpStatus(status.code()), kJson,
         base::Buffer::FromString(codec::rest::ErrorBody(base::Message(status))));
}

void RestCall::FinishJson(base::Buffer body) {
  if (finished_.exchange(true)) return;
  Record(absl::StatusCode::kOk);
  Answer(200, kJson, std::move(body));
}

void RestCall::FinishPlain(int status, absl::StatusCode code, std::string_view content_type) {
  if (finished_.exchange(true)) return;
  Record(code);
  Answer(status, content_type, base::Buffer());
}

void RestCall::Answer(int status, std::string_view content_type, base::Buffer body) {
  bool packed = false;
  if (options_.gzip_reply && body.size() >= kCompressAbove) {
    absl::StatusOr<base::Buffer> small = net::Compress(net::Compression::kGzip, body.view());
    if (small.ok()) {
      body = *std::move(small);
      packed = true;
    }
  }
  net::Response response = MakeResponse(status, content_type, std::move(body), options_.cors);
  if (packed) {
    response.headers.push_back({"Content-Encoding", "gzip"});
    response.headers.push_back({"Vary", "Accept-Encoding"});
  }
  pending_->Respond(std::move(response));
}

void RestCall::Record(absl::StatusCode code) {
  // When the deadline answered first the client saw a timeout, whatever became of the work.
  const absl::Time now = absl::Now();
  const bool late =
      now >= deadline_ && (code == absl::StatusCode::kOk || code == absl::StatusCode::kCancelled);
  metrics_->Record({.model = model_,
                    .version = version_,
                    .signature = signature_,
                    .method = method_,
                    .entrypoint = service::Entrypoint::kRest,
                    .code = late ? absl::StatusCode::kDeadlineExceeded : code,
                    .latency = now - arrival_});
}

}  // namespace baton::frontend::http
