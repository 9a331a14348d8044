#include "frontend/grpc/model_service.h"

#include <filesystem>
#include <utility>

#include "base/strings.h"
#include "codec/grpc/model_codec.h"
#include "metrics/serving_metrics.h"

namespace baton::frontend::grpc {
namespace {

constexpr size_t kMaxMetricNames = 1000;

// Whoever reaches the port must not choose where the server writes files.
absl::Status CheckLogPaths(const lifecycle::ModelConfigs& configs, const std::string& root) {
  for (const lifecycle::ModelConfig& config : configs) {
    if (!config.logging || config.logging->collector_type != "tfrecord") continue;
    const std::filesystem::path path =
        std::filesystem::path(config.logging->filename_prefix).lexically_normal();
    const std::string inside = std::filesystem::path(root).lexically_normal().string() + "/";
    if (!root.empty() && path.string().starts_with(inside)) continue;
    return absl::PermissionDeniedError(
        base::StrCat("model \"", config.name, "\": a reload may not log requests to \"",
                     config.logging->filename_prefix,
                     "\"; use the server's configuration file, or start it with "
                     "--request_log_root=<folder>"));
  }
  return absl::OkStatus();
}

}  // namespace

void ModelService::Register(GrpcHandler& handler) const {
  const std::string service = "/tensorflow.serving.ModelService/";
  handler.AddUnary(service + "GetModelStatus",
                   [this](const UnaryCallPtr& call) { GetModelStatus(call); });
  handler.AddUnary(service + "HandleReloadConfigRequest",
                   [this](UnaryCallPtr call) { HandleReloadConfigRequest(std::move(call)); });
}

void ModelService::GetModelStatus(const UnaryCallPtr& call) const {
  absl::StatusOr<codec::grpc::StatusRequest> request =
      codec::grpc::ParseStatusRequest(call->message().view());
  if (!request.ok()) return call->FinishError(request.status());
  if (!request->spec) {
    return call->FinishError(absl::InvalidArgumentError("Missing ModelSpec"));
  }
  const predict::ModelSpec spec = request->spec->view();
  auto versions = models_->Status(spec);
  if (!versions.ok()) return call->FinishError(versions.status());
  call->SetServable(spec.name, spec.version.value_or(0), "");
  call->FinishMessage(codec::grpc::EncodeStatusResponse(*versions));
}

void ModelService::HandleReloadConfigRequest(UnaryCallPtr call) const {
  if (applier_ == nullptr) {
    return call->FinishError(absl::PermissionDeniedError(
        "reloading over gRPC is switched off; start the server with --allow_reload_rpc=true"));
  }
  std::vector<std::string> metric_names;
  absl::StatusOr<lifecycle::ModelConfigs> configs =
      codec::grpc::ParseReloadRequest(call->message().view(), &metric_names);
  if (!configs.ok()) return call->FinishError(configs.status());
  if (const absl::Status status = CheckLogPaths(*configs, log_root_); !status.ok()) {
    return call->FinishError(status);
  }
  if (metric_names.size() > kMaxMetricNames) {
    return call->FinishError(
        absl::InvalidArgumentError(base::StrCat("more than ", kMaxMetricNames, " metric_names")));
  }
  executor_->Schedule([this, configs = *std::move(configs), names = std::move(metric_names),
                       call = std::move(call)]() mutable {
    std::string before = names.empty() ? std::string() : metrics_page_();
    applier_->Apply(
        std::move(configs), lifecycle::ConfigApplier::Reason::kReload,
        [this, call = std::move(call), names = std::move(names),
         before = std::move(before)](const absl::Status& status) mutable {
          if (!status.ok()) return call->FinishError(status);
          if (names.empty()) return call->FinishMessage(codec::grpc::EncodeReloadResponse());
          // This may be the manager's thread, which must not compute.
          executor_->Schedule(
              [this, call = std::move(call), names = std::move(names), before = std::move(before)] {
                call->FinishMessage(codec::grpc::EncodeReloadResponse(Increases(names, before)));
              });
        });
  });
}

std::vector<std::pair<std::string, int64_t>> ModelService::Increases(
    const std::vector<std::string>& names, const std::string& before) const {
  std::vector<std::pair<std::string, int64_t>> increases;
  if (names.empty()) return increases;
  const std::string after = metrics_page_();
  for (const std::string& name : names) {
    increases.emplace_back(name,
                           metrics::FirstCell(after, name) - metrics::FirstCell(before, name));
  }
  return increases;
}

}  // namespace baton::frontend::grpc
