#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/buffer.h"
#include "codec/grpc/tensor_codec.h"
#include "lifecycle/servable_id.h"
#include "predict/call.h"
#include "reqlog/request_loggers.h"

namespace baton::codec::grpc {

// PredictionLog's choice, by field number.
enum class LogType : uint32_t {
  kNone = 0,
  kClassify = 2,
  kRegress = 3,
  kMultiInference = 4,
  kSessionRun = 5,
  kPredict = 6,
  kPredictStreamed = 7
};

// One answered call, serialized as it went over the wire.
struct AnsweredCall {
  LogType type = LogType::kNone;
  const lifecycle::ServableId& id;
  std::string_view signature_name;
  const base::Buffer& request;
  // Of a gRPC answer; `prefix_bytes` of framing in front do not belong to the message.
  const std::vector<base::Buffer>& response;
  size_t prefix_bytes = 0;
};

// A PredictionLog in pieces. Request and response are the call's own buffers: nothing of them is
// copied or looked into.
std::vector<base::Buffer> EncodePredictionLog(const AnsweredCall& call,
                                              const reqlog::Logger& logger, absl::Time now);

// Hands a call to its model's logger, which front ends get from RequestLoggers::Sample.
void LogCall(const reqlog::Logger& logger, const AnsweredCall& call);

// A serialized PredictRequest that asks what `request` does, for protocols whose requests are not
// protobuf's.
base::Buffer EncodePredictRequest(const lifecycle::ServableId& id,
                                  const predict::PredictRequest& request, TensorEncoding encoding);

// The same for a ClassificationRequest or RegressionRequest over serialized tf.Examples.
base::Buffer EncodeExampleRequest(const lifecycle::ServableId& id, std::string_view signature_name,
                                  const tensor::Tensor& examples);

// What is replayed of a PredictionLog.
struct PredictionLogView {
  LogType type = LogType::kNone;
  // The serialized request; of a log that repeats it, the merge. Shares the record's memory.
  base::Buffer request;
};

// Errors: kInvalidArgument for bytes that are no PredictionLog. What protobuf would make a hundred
// times its size of is not looked into: there a malformed part that is not needed goes unnoticed.
absl::StatusOr<PredictionLogView> ParsePredictionLog(const base::Buffer& record);

}  // namespace baton::codec::grpc
