#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/buffer.h"
#include "codec/grpc/log_codec.h"
#include "engine/signature.h"
#include "lifecycle/servable_id.h"
#include "predict/call.h"
#include "reqlog/request_loggers.h"
#include "service/example_plan.h"
#include "service/inference_service.h"
#include "tensor/tensor.h"

namespace baton::frontend::http {

// A REST request that is to be logged once it is answered, as the protobuf that would ask the same:
// a request log knows no JSON. Made before the run, which takes the tensors.
//
// Threads: immutable. Owner: the call; borrows the signature, so it ends before the lease on its
// model. Errors: none.
class RestLog {
 public:
  // Null when the request is not logged, as most are not.
  static std::unique_ptr<const RestLog> ForPredict(const service::InferenceService& inference,
                                                   const service::Session& session,
                                                   const predict::PredictRequest& request);
  // `type` is kClassify or kRegress.
  static std::unique_ptr<const RestLog> ForExamples(const service::InferenceService& inference,
                                                    const service::Session& session,
                                                    codec::grpc::LogType type,
                                                    const engine::Signature& signature,
                                                    const tensor::Tensor& examples);

  void LogPredict(const std::vector<uint32_t>& output_ports,
                  const predict::PredictResponse& response) const;
  void LogExamples(const predict::TaskResult& result) const;

 private:
  using LoggerPtr = std::shared_ptr<const reqlog::Logger>;
  RestLog(LoggerPtr logger, codec::grpc::LogType type, lifecycle::ServableId id,
          const engine::Signature& signature, base::Buffer request);

  void Log(const std::vector<base::Buffer>& response) const;

  const LoggerPtr logger_;
  const codec::grpc::LogType type_;
  const lifecycle::ServableId id_;
  const engine::Signature& signature_;
  const base::Buffer request_;
};

}  // namespace baton::frontend::http
