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

service::CallRecord::Options RecordOf(std::string_view method, absl::Duration timeout) {
  const absl::Time now = absl::Now();
  return {.method = method,
          .entrypoint = service::Entrypoint::kRest,
          .arrival = now,
          .deadline = timeout > absl::ZeroDuration() ? now + timeout : absl::InfiniteFuture()};
}

base::Buffer ErrorText(const absl::Status& status) {
  return base::Buffer::FromString(codec::rest::ErrorBody(base::Message(status)));
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
      record_(RecordOf(method, options.timeout), metrics),
      pending_(net::PendingAnswer::Create(
          std::move(exchange), record_.deadline(),
          [cors = options.cors] {
            return MakeResponse(504, kJson, ErrorText(predict::TimedOut()), cors);
          },
          [cancellation = record_.cancellation()] { cancellation->Cancel(); })) {}

RestCall::~RestCall() {
  if (!record_.is_finished()) {
    FinishError(absl::InternalError("the request was dropped without an answer"));
  }
}

void RestCall::FinishError(const absl::Status& status) {
  if (record_.Finish(status.code())) Answer(HttpStatus(status.code()), kJson, ErrorText(status));
}

void RestCall::FinishJson(base::Buffer body) {
  if (record_.Finish(absl::StatusCode::kOk)) Answer(200, kJson, std::move(body));
}

void RestCall::FinishPlain(int status, absl::StatusCode code, std::string_view content_type) {
  if (record_.Finish(code)) Answer(status, content_type, base::Buffer());
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

}  // namespace baton::frontend::http
