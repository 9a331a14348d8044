#include <utility>

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "codec/grpc/model_codec.h"
#include "codec/grpc/text_proto.h"
#include "tensorflow_serving/apis/model_management.pb.h"

namespace baton::codec::grpc {
namespace {

namespace tfs = tensorflow::serving;

lifecycle::VersionPolicy ToPolicy(
    const tfs::FileSystemStoragePathSourceConfig::ServableVersionPolicy& proto) {
  using Proto = tfs::FileSystemStoragePathSourceConfig::ServableVersionPolicy;
  switch (proto.policy_choice_case()) {
    case Proto::kAll:
      return lifecycle::AllVersions{};
    case Proto::kSpecific:
      return lifecycle::SpecificVersions{
          {proto.specific().versions().begin(), proto.specific().versions().end()}};
    case Proto::kLatest:
    case Proto::POLICY_CHOICE_NOT_SET:
      break;
  }
  const uint32_t count = proto.latest().num_versions();
  return lifecycle::LatestVersions{count == 0 ? 1 : count};
}

lifecycle::ModelConfig::TypeField ToTypeField(tfs::ModelType type) {
  using TypeField = lifecycle::ModelConfig::TypeField;
  if (type == tfs::MODEL_TYPE_UNSPECIFIED) return TypeField::kUnset;
  return type == tfs::TENSORFLOW ? TypeField::kTensorflow : TypeField::kOther;
}

reqlog::LoggingConfig FromProto(const tfs::LoggingConfig& proto) {
  const tfs::SamplingConfig& sampling = proto.sampling_config();
  reqlog::LoggingConfig config;
  config.collector_type = proto.log_collector_config().type();
  config.filename_prefix = proto.log_collector_config().filename_prefix();
  config.sampling_rate = sampling.sampling_rate();
  config.attributes = sampling.attributes();
  for (const tfs::PerTaskSamplingConfig& task : sampling.per_task_sampling_configs()) {
    reqlog::LoggingConfig::PerTask& entry = config.per_task.emplace_back();
    entry.dc = task.dc();
    if (task.has_task_index()) entry.task_index = task.task_index();
    entry.sampling_rate = task.sampling_rate();
  }
  config.has_custom_config = proto.has_custom_logging_config();
  return config;
}

lifecycle::ModelConfig FromProto(const tfs::ModelConfig& proto) {
  lifecycle::ModelConfig config;
  config.name = proto.name();
  config.base_path = proto.base_path();
  config.platform = proto.model_platform();
  config.policy = ToPolicy(proto.model_version_policy());
  config.labels = {proto.version_labels().begin(), proto.version_labels().end()};
  if (proto.has_logging_config()) config.logging = FromProto(proto.logging_config());
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  config.type_field = ToTypeField(proto.model_type());
  config.type_number = proto.model_type();
#pragma GCC diagnostic pop
  return config;
}

lifecycle::ModelConfigs FromProto(const tfs::ModelConfigList& list) {
  lifecycle::ModelConfigs configs;
  for (const tfs::ModelConfig& config : list.config()) configs.push_back(FromProto(config));
  return configs;
}

}  // namespace

absl::StatusOr<lifecycle::ModelConfigs> ParseReloadRequest(std::string_view message,
                                                           std::vector<std::string>* metric_names) {
  tfs::ReloadConfigRequest request;
  if (!request.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    return absl::InvalidArgumentError("the request is no ReloadConfigRequest");
  }
  if (!request.config().has_model_config_list()) {
    return absl::InvalidArgumentError(
        "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList "
        "is currently "
        "supported");
  }
  if (metric_names != nullptr) {
    metric_names->assign(request.metric_names().begin(), request.metric_names().end());
  }
  return FromProto(request.config().model_config_list());
}

std::string EncodeReloadResponse(const std::vector<std::pair<std::string, int64_t>>& increases) {
  tfs::ReloadConfigResponse response;
  response.mutable_status();  // present and empty: OK
  for (const auto& [name, increase] : increases) {
    tfs::Metric& metric = *response.add_metric();
    metric.set_name(name);
    metric.set_int64_value_increase(increase);
  }
  return response.SerializeAsString();
}

absl::StatusOr<lifecycle::ModelConfigs> ParseModelConfigText(const std::string& path,
                                                             const std::string& text,
                                                             bool* has_list) {
  tfs::ModelServerConfig config;
  BATON_RETURN_IF_ERROR(ParseTextProto(path, text, &config));
  if (config.has_custom_model_config()) {
    return absl::InvalidArgumentError(base::ToAbsl(kCustomConfigRefused));
  }
  if (has_list != nullptr) *has_list = config.has_model_config_list();
  return FromProto(config.model_config_list());
}

}  // namespace baton::codec::grpc
