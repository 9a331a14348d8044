#include "codec/grpc/log_codec.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "base/check.h"
#include "codec/grpc/cold_message.h"
#include "codec/grpc/tensor_encoder.h"
#include "codec/grpc/wire_reader.h"
#include "codec/grpc/wire_writer.h"
#include "tensorflow_serving/apis/prediction_log.pb.h"

namespace baton::codec::grpc {
namespace {

namespace tfs = tensorflow::serving;

// Larger records are not parsed by protobuf as a whole.
constexpr size_t kMaxCheckedBytes = 16 << 20;

constexpr uint32_t kMetadata = 1;
constexpr uint32_t kRequest = 1;
constexpr uint32_t kResponse = 2;

void FillSpec(const lifecycle::ServableId& id, std::string_view signature_name,
              tfs::ModelSpec* proto) {
  proto->set_name(id.name);
  proto->mutable_version()->set_value(id.version);
  proto->set_signature_name(std::string(signature_name));
}

std::string EncodeSpec(const lifecycle::ServableId& id, std::string_view signature_name) {
  tfs::ModelSpec spec;
  FillSpec(id, signature_name, &spec);
  return spec.SerializeAsString();
}

void FillSampling(const reqlog::LoggingConfig& config, tfs::SamplingConfig* proto) {
  proto->set_sampling_rate(config.sampling_rate);
  proto->set_attributes(config.attributes);
  for (const reqlog::LoggingConfig::PerTask& entry : config.per_task) {
    tfs::PerTaskSamplingConfig& task = *proto->add_per_task_sampling_configs();
    task.set_dc(entry.dc);
    if (entry.task_index.has_value()) task.set_task_index(*entry.task_index);
    task.set_sampling_rate(entry.sampling_rate);
  }
}

std::string EncodeMetadata(const AnsweredCall& call, const reqlog::Logger& logger, absl::Time now) {
  tfs::LogMetadata metadata;
  FillSpec(call.id, call.signature_name, metadata.mutable_model_spec());
  FillSampling(logger.config(), metadata.mutable_sampling_config());
  for (const std::string& tag : logger.saved_model_tags()) metadata.add_saved_model_tags(tag);
  metadata.set_timestamp_secs(absl::ToUnixSeconds(now));
  metadata.set_dc(logger.task().dc);
  return metadata.SerializeAsString();
}

// The tag and length of a run of bytes that follows.
void AppendBytesTag(uint32_t field, size_t length, std::string* out) {
  const size_t before = out->size();
  out->resize(before + BytesTagSize(field) + VarintSize(length));
  WriteBytesTag(field, length, out->data() + before);
}

// All occurrences of a submessage are its merge.
base::Buffer Merge(const std::vector<std::string_view>& pieces, const base::Buffer& record) {
  if (pieces.empty()) return base::Buffer();
  if (pieces.size() == 1) {
    return record.Slice(static_cast<size_t>(pieces[0].data() - record.data()), pieces[0].size());
  }
  std::string merged;
  for (const std::string_view piece : pieces) merged += piece;
  return base::Buffer::FromString(std::move(merged));
}

}  // namespace

std::vector<base::Buffer> EncodePredictionLog(const AnsweredCall& call,
                                              const reqlog::Logger& logger, absl::Time now) {
  size_t response_bytes = 0;
  for (const base::Buffer& piece : call.response) response_bytes += piece.size();
  BATON_CHECK(response_bytes >= call.prefix_bytes);
  response_bytes -= call.prefix_bytes;
  const size_t log_bytes =
      BytesFieldSize(kRequest, call.request.size()) + BytesFieldSize(kResponse, response_bytes);

  const std::string metadata = EncodeMetadata(call, logger, now);
  std::string head;
  AppendBytesTag(kMetadata, metadata.size(), &head);
  head += metadata;
  AppendBytesTag(static_cast<uint32_t>(call.type), log_bytes, &head);
  AppendBytesTag(kRequest, call.request.size(), &head);
  std::string middle;
  AppendBytesTag(kResponse, response_bytes, &middle);

  std::vector<base::Buffer> pieces;
  pieces.reserve(call.response.size() + 3);
  pieces.push_back(base::Buffer::FromString(std::move(head)));
  pieces.push_back(call.request);
  pieces.push_back(base::Buffer::FromString(std::move(middle)));
  size_t skip = call.prefix_bytes;
  for (const base::Buffer& piece : call.response) {
    const size_t skipped = std::min(skip, piece.size());
    skip -= skipped;
    // A copy: the piece may be a window into the answer of a whole batch, which the log's limit on
    // memory would not see.
    if (skipped < piece.size()) {
      pieces.push_back(base::Buffer::Copy(piece.view().substr(skipped)));
    }
  }
  return pieces;
}

void LogCall(const reqlog::Logger& logger, const AnsweredCall& call) {
  logger.Log(EncodePredictionLog(call, logger, absl::Now()));
}

base::Buffer EncodePredictRequest(const lifecycle::ServableId& id,
                                  const predict::PredictRequest& request, TensorEncoding encoding) {
  const engine::Signature& signature = *request.signature;
  const std::string spec = EncodeSpec(id, signature.name);
  size_t bytes = BytesFieldSize(1, spec.size());
  std::vector<TensorEncoder> encoders;
  encoders.reserve(request.inputs.size());
  const auto entry_bytes = [&](size_t i) {
    const std::string& name = signature.inputs[request.input_ports[i]].name;
    return BytesFieldSize(1, name.size()) + BytesFieldSize(2, encoders[i].size());
  };
  for (size_t i = 0; i < request.inputs.size(); ++i) {
    encoders.emplace_back(request.inputs[i], encoding);
    bytes += BytesFieldSize(2, entry_bytes(i));
  }

  base::Buffer message = base::Buffer::Allocate(bytes);
  char* at = WriteBytesField(1, spec, message.mutable_data());
  for (size_t i = 0; i < request.inputs.size(); ++i) {
    at = WriteBytesTag(2, entry_bytes(i), at);
    at = WriteBytesField(1, signature.inputs[request.input_ports[i]].name, at);
    at = WriteBytesTag(2, encoders[i].size(), at);
    at = encoders[i].WritePayload(encoders[i].WriteHead(at));
  }
  BATON_CHECK(at == message.data() + bytes);
  return message;
}

base::Buffer EncodeExampleRequest(const lifecycle::ServableId& id, std::string_view signature_name,
                                  const tensor::Tensor& examples) {
  const std::string spec = EncodeSpec(id, signature_name);
  size_t list_bytes = 0;
  for (const tensor::StringRef& example : examples.strings()) {
    list_bytes += BytesFieldSize(1, example.size);
  }
  const size_t input_bytes = BytesFieldSize(1, list_bytes);
  base::Buffer message =
      base::Buffer::Allocate(BytesFieldSize(1, spec.size()) + BytesFieldSize(2, input_bytes));
  char* at = WriteBytesField(1, spec, message.mutable_data());
  at = WriteBytesTag(1, list_bytes, WriteBytesTag(2, input_bytes, at));
  for (const tensor::StringRef& example : examples.strings()) {
    at = WriteBytesField(1, example.view(), at);
  }
  BATON_CHECK(at == message.data() + message.size());
  return message;
}

absl::StatusOr<PredictionLogView> ParsePredictionLog(const base::Buffer& record) {
  const absl::Status malformed = absl::InvalidArgumentError("the record is no PredictionLog");
  if (record.size() <= kMaxCheckedBytes &&
      !IsWellFormed<tfs::PredictionLog>(record.view(), kMaxWireDepth)) {
    return malformed;
  }
  PredictionLogView view;
  std::vector<std::string_view> logs;  // of one type: the last one said counts
  WireReader reader(record.view());
  while (reader.Next()) {
    const uint32_t field = reader.field();
    if (!reader.is_bytes() || field < static_cast<uint32_t>(LogType::kClassify) ||
        field > static_cast<uint32_t>(LogType::kPredictStreamed)) {
      continue;
    }
    const auto type = static_cast<LogType>(field);
    if (type != view.type) logs.clear();
    view.type = type;
    logs.push_back(reader.bytes());
  }
  if (!reader.ok()) return malformed;
  std::vector<std::string_view> requests;
  for (const std::string_view log : logs) {
    WireReader inner(log, kMaxWireDepth - 1);
    while (inner.Next()) {
      if (inner.field() == kRequest && inner.is_bytes()) requests.push_back(inner.bytes());
    }
    if (!inner.ok()) return malformed;
  }
  view.request = Merge(requests, record);
  return view;
}

}  // namespace baton::codec::grpc
