#include "frontend/http/rest_log.h"

#include <utility>
#include <variant>

#include "codec/grpc/example_codec.h"
#include "codec/grpc/predict_codec.h"
#include "codec/grpc/tensor_codec.h"

namespace baton::frontend::http {
namespace {

using codec::grpc::LogType;

// As a gRPC client and server would have sent it.
constexpr auto kEncoding = codec::grpc::TensorEncoding::kTypedField;

}  // namespace

RestLog::RestLog(LoggerPtr logger, LogType type, lifecycle::ServableId id,
                 const engine::Signature& signature, base::Buffer request)
    : logger_(std::move(logger)),
      type_(type),
      id_(std::move(id)),
      signature_(signature),
      request_(std::move(request)) {}

std::unique_ptr<const RestLog> RestLog::ForPredict(const service::InferenceService& inference,
                                                   const service::Session& session,
                                                   const predict::PredictRequest& request) {
  LoggerPtr logger = inference.SampleLogger(session.id().name);
  if (logger == nullptr) return nullptr;
  return std::unique_ptr<const RestLog>(
      new RestLog(std::move(logger), LogType::kPredict, session.id(), *request.signature,
                  codec::grpc::EncodePredictRequest(session.id(), request, kEncoding)));
}

std::unique_ptr<const RestLog> RestLog::ForExamples(const service::InferenceService& inference,
                                                    const service::Session& session, LogType type,
                                                    const engine::Signature& signature,
                                                    const tensor::Tensor& examples) {
  LoggerPtr logger = inference.SampleLogger(session.id().name);
  if (logger == nullptr) return nullptr;
  return std::unique_ptr<const RestLog>(
      new RestLog(std::move(logger), type, session.id(), signature,
                  codec::grpc::EncodeExampleRequest(session.id(), signature.name, examples)));
}

void RestLog::LogPredict(const std::vector<uint32_t>& output_ports,
                         const predict::PredictResponse& response) const {
  Log(codec::grpc::EncodePredictResponse(id_, signature_, output_ports, response, kEncoding, 0));
}

void RestLog::LogExamples(const predict::TaskResult& result) const {
  if (const auto* classes = std::get_if<predict::Classifications>(&result.value)) {
    Log({codec::grpc::EncodeClassificationResponse(id_, signature_.name, *classes, 0)});
  } else {
    Log({codec::grpc::EncodeRegressionResponse(id_, signature_.name,
                                               std::get<predict::Regressions>(result.value), 0)});
  }
}

void RestLog::Log(const std::vector<base::Buffer>& response) const {
  codec::grpc::LogCall(*logger_, {.type = type_,
                                  .id = id_,
                                  .signature_name = signature_.name,
                                  .request = request_,
                                  .response = response});
}

}  // namespace baton::frontend::http
