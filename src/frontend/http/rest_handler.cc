#include "frontend/http/rest_handler.h"

#include <cstring>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "codec/grpc/model_codec.h"
#include "codec/rest/predict_codec.h"
#include "frontend/http/rest_call.h"
#include "frontend/http/rest_examples.h"
#include "frontend/http/rest_log.h"
#include "frontend/http/rest_path.h"
#include "frontend/http/rest_status.h"
#include "net/gzip.h"
#include "net/http_status.h"
#include "service/example_plan.h"

namespace baton::frontend::http {
namespace {

constexpr uint64_t kMaxInflated = uint64_t{100} << 20;  // TensorFlow Serving's limit

predict::ModelSpec SpecOf(const RestPath& path) {
  predict::ModelSpec spec;
  spec.name = path.name;
  spec.version = path.version;
  if (path.label) spec.label = *path.label;
  return spec;
}

// The body as the JSON reader should see it. A gzip body that is broken or too large reads as empty
// (contract §4.3).
base::Buffer PlainBody(const net::Request& request) {
  const std::string* encoding = request.headers.Find("Content-Encoding");
  if (encoding == nullptr || encoding->find("gzip") == std::string::npos) return request.body;
  // The size is in the last four bytes; a stream that claims too much, or brings more than it
  // claims, costs nothing.
  const std::string_view packed = request.body.view();
  if (packed.size() < 4) return base::Buffer();
  uint32_t claimed = 0;
  std::memcpy(&claimed, packed.data() + packed.size() - 4, 4);
  if (claimed > kMaxInflated) return base::Buffer();
  absl::StatusOr<base::Buffer> plain = net::Decompress(net::Compression::kGzip, packed, claimed);
  return plain.ok() ? *std::move(plain) : base::Buffer();
}

bool AcceptsGzip(const net::Request& request) {
  const std::string* accepted = request.headers.Find("Accept-Encoding");
  return accepted != nullptr && accepted->find("gzip") != std::string::npos;
}

void Predict(const service::InferenceService& inference, RestPath path, bool check_method_name,
             RestCallPtr call) {
  absl::StatusOr<codec::rest::PredictBody> body =
      codec::rest::PredictBody::Parse(PlainBody(call->request()));
  if (!body.ok()) return call->FinishError(body.status());
  predict::ModelSpec spec = SpecOf(path);
  absl::StatusOr<service::Session> session = inference.Begin(spec);
  if (!session.ok()) return call->FinishError(session.status());
  const std::string_view name =
      body->signature_name().empty() ? engine::kDefaultSignature : body->signature_name();
  const engine::Signature* signature = session->signatures().Find(name);
  if (signature == nullptr) {
    call->SetServable(session->id().name, session->id().version, "");
    return call->FinishError(absl::InvalidArgumentError(
        base::StrCat("Serving signature name: \"", name, "\" not found in signature def")));
  }
  call->SetServable(session->id().name, session->id().version, signature->name);
  if (signature->inputs.empty()) {
    return call->FinishError(absl::InvalidArgumentError(
        base::StrCat("Failed to get input map for signature: ",
                     body->signature_name().empty() ? "DEFAULT" : body->signature_name())));
  }
  absl::StatusOr<codec::rest::PredictBody::Decoded> decoded = body->Decode(*signature);
  if (!decoded.ok()) return call->FinishError(decoded.status());
  if (check_method_name) {
    const absl::Status status = service::CheckPredictMethodName(*signature);
    if (!status.ok()) return call->FinishError(status);
  }

  lifecycle::ServableHandle handle = session->handle();
  std::vector<uint32_t> ports = decoded->request.output_ports;
  auto log = RestLog::ForPredict(inference, *session, decoded->request);
  predict::CallContext context = call->context();
  call->BeginRun();
  std::move(*session).Run(
      std::move(context), std::move(decoded->request),
      [call = std::move(call), handle = std::move(handle), ports = std::move(ports), signature,
       log = std::move(log),
       format = decoded->format](absl::StatusOr<predict::PredictResponse> result) {
        call->EndRun();
        if (!result.ok()) return call->FinishError(result.status());
        absl::StatusOr<base::Buffer> text =
            codec::rest::EncodePredictResponse(*signature, ports, *result, format);
        if (!text.ok()) return call->FinishError(text.status());
        if (log != nullptr) log->LogPredict(ports, *result);
        call->FinishJson(*std::move(text));
      });
}

void Status(const service::ModelService& models, const RestPath& path, const RestCallPtr& call) {
  if (path.name.empty()) {
    return call->FinishError(absl::InvalidArgumentError("Missing model name in request."));
  }
  auto versions = models.Status(SpecOf(path));
  if (!versions.ok()) return call->FinishError(versions.status());
  call->SetServable(path.name, path.version.value_or(0), "");
  call->FinishJson(base::Buffer::FromString(codec::grpc::StatusJson(*versions)));
}

void Metadata(const service::InferenceService& inference, const RestPath& path,
              const RestCallPtr& call) {
  if (path.name.empty()) {
    return call->FinishError(absl::InvalidArgumentError("Missing model name in request."));
  }
  absl::StatusOr<service::Session> session = inference.Begin(SpecOf(path));
  if (!session.ok()) return call->FinishError(session.status());
  call->SetServable(session->id().name, session->id().version, "");
  absl::StatusOr<std::string> text = codec::grpc::MetadataJson(session->id(), session->model());
  if (!text.ok()) return call->FinishError(text.status());
  call->FinishJson(base::Buffer::FromString(*std::move(text)));
}

// Metric label of a request, by what it turned out to be. Lower case, as TensorFlow Serving's REST
// labels are.
std::string_view MethodName(const RestPath& path) {
  switch (path.kind) {
    case RestPath::Kind::kInference:
      return path.verb == "predict" ? "predict" : path.verb == "classify" ? "classify" : "regress";
    case RestPath::Kind::kStatus:
      return "status";
    case RestPath::Kind::kMetadata:
      return "metadata";
    default:
      return "other";
  }
}

net::Response PlainText(int status, std::string text) {
  return MakeResponse(status, "text/plain", base::Buffer::FromString(std::move(text)), false);
}

}  // namespace

RestHandler::RestHandler(Options options, const service::InferenceService* inference,
                         const service::ModelService* models, const service::Health* health,
                         const metrics::Registry* metrics)
    : options_(std::move(options)),
      gate_(options_.max_calls, options_.max_waiting),
      inference_(inference),
      models_(models),
      health_(health),
      metrics_(metrics) {}

bool RestHandler::AnswerMonitoring(std::string_view target,
                                   const net::ExchangePtr& exchange) const {
  const std::string_view path = target.substr(0, target.find_first_of("?#"));
  if (options_.monitoring_path.empty() || path != options_.monitoring_path) return false;
  if (target == path) {
    exchange->Respond(PlainText(200, options_.monitoring_page()));
  } else {
    exchange->Respond(PlainText(
        400, base::StrCat("Unexpected path: ", target, ". Should be ", options_.monitoring_path)));
  }
  return true;
}

void RestHandler::OnRequest(net::ExchangePtr exchange) {
  const net::Request& request = exchange->request();
  if (AnswerMonitoring(request.target, exchange)) return;
  RestPath path = ParseRestPath(request.method, request.target);
  if (path.kind == RestPath::Kind::kNotRest) {
    const std::string_view target = request.target;
    const bool reading = request.method == "GET" || request.method == "HEAD";
    if (reading && target == "/metrics") {
      return exchange->Respond(MakeResponse(200, "text/plain; version=0.0.4; charset=utf-8",
                                            base::Buffer::FromString(metrics_->PrometheusText()),
                                            false));
    }
    if (reading && target == "/healthz") return exchange->Respond(PlainText(200, "ok\n"));
    if (reading && target == "/readyz") {
      return exchange->Respond(health_->ready() ? PlainText(200, "ready\n")
                                                : PlainText(503, "not ready\n"));
    }
    return exchange->Respond(net::HtmlError(404));
  }

  const bool inference = path.kind == RestPath::Kind::kInference;
  auto call = std::make_shared<RestCall>(
      RestCall::Options{.timeout = inference ? options_.timeout : absl::ZeroDuration(),
                        .cors = options_.cors,
                        .gzip_reply = options_.gzip_replies && AcceptsGzip(request)},
      exchange, MethodName(path), &inference_->metrics());
  call->SetRequestedModel(path.name);
  gate_.Enter(call, [this, path = std::move(path), call](service::CallGate::Place place) mutable {
    call->Keep(std::move(place));
    Dispatch(std::move(path), call);
  });
  call->ArmDeadline();
}

void RestHandler::Dispatch(RestPath path, const RestCallPtr& call) {
  const net::Request& request = call->request();
  switch (path.kind) {
    case RestPath::Kind::kPreflight: {
      const std::string* origin = request.headers.Find("Origin");
      const bool allowed = origin != nullptr && (origin->find("http://") != std::string::npos ||
                                                 origin->find("https://") != std::string::npos);
      call->FinishPlain(allowed ? 200 : 400,
                        allowed ? absl::StatusCode::kOk : absl::StatusCode::kFailedPrecondition,
                        "");
      break;
    }
    case RestPath::Kind::kVersionTooLarge:
      call->FinishPlain(400, absl::StatusCode::kInvalidArgument, "application/json");
      break;
    case RestPath::Kind::kStatus:
      Status(*models_, path, call);
      break;
    case RestPath::Kind::kMetadata:
      Metadata(*inference_, path, call);
      break;
    case RestPath::Kind::kInference:
      if (path.verb == "predict") {
        Predict(*inference_, std::move(path), options_.check_method_name, call);
      } else {
        AnswerExamples(path.verb == "classify" ? ExampleVerb::kClassify : ExampleVerb::kRegress,
                       *inference_, SpecOf(path), {.check_method_name = options_.check_method_name},
                       PlainBody(request), call);
      }
      break;
    default:
      call->FinishError(absl::InvalidArgumentError(
          base::StrCat("Malformed request: ", request.method, " ", request.target)));
  }
}

uint64_t RestHandler::MaxBodyBytes(const net::Request& request) { return options_.max_body_bytes; }

void RestHandler::OnBodyTooLarge(net::ExchangePtr exchange, uint64_t limit) {
  net::Response response = MakeResponse(
      413, "application/json",
      base::Buffer::FromString(codec::rest::ErrorBody(base::StrCat(
          "request body is larger than ", limit, " bytes (--rest_api_max_body_bytes)"))),
      options_.cors);
  response.close = true;
  exchange->Respond(std::move(response));
}

}  // namespace baton::frontend::http
