#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "lifecycle/model_config.h"
#include "lifecycle/servable_id.h"
#include "lifecycle/state_monitor.h"
#include "predict/model_spec.h"

namespace baton::codec::grpc {

// The cold messages: metadata, status, reload. These use protobuf proper. Owning copies, not views.

struct OwnedModelSpec {
  std::string name;
  std::optional<int64_t> version;
  std::optional<std::string> label;
  std::string signature_name;
  predict::ModelSpec view() const;
};

struct MetadataRequest {
  std::optional<OwnedModelSpec> spec;
  std::vector<std::string> fields;
};
absl::StatusOr<MetadataRequest> ParseMetadataRequest(std::string_view message);
// A serialized GetModelMetadataResponse with signature_def.
absl::StatusOr<std::string> EncodeMetadataResponse(const lifecycle::ServableId& id, const engine::Model& model);
// The whole REST metadata document (§4.8), wrapper and white space included.
absl::StatusOr<std::string> MetadataJson(const lifecycle::ServableId& id, const engine::Model& model);

struct StatusRequest {
  std::optional<OwnedModelSpec> spec;
};
absl::StatusOr<StatusRequest> ParseStatusRequest(std::string_view message);
std::string EncodeStatusResponse(const std::vector<lifecycle::VersionStatus>& versions);
// The REST status document (§4.8): 1-space indent, trailing newline.
std::string StatusJson(const std::vector<lifecycle::VersionStatus>& versions);

// ReloadConfigRequest. Errors: kInvalidArgument with the contract's text (§3.8) for anything but a model_config_list.
absl::StatusOr<lifecycle::ModelConfigs> ParseReloadRequest(std::string_view message);
// A successful ReloadConfigResponse.
std::string EncodeReloadResponse();

// Text-format ModelServerConfig, as in --model_config_file. `path` is for the error text: kInvalidArgument "Invalid
// protobuf file: '<path>'"; protobuf's own line goes to stderr (§1.3). `custom_model_config` is refused (Q33).
absl::StatusOr<lifecycle::ModelConfigs> ParseModelConfigText(const std::string& path, const std::string& text);

}  // namespace baton::codec::grpc
