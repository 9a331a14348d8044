#pragma once

#include <optional>
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
  // Valid as long as this spec.
  predict::ModelSpec view() const;
};

struct MetadataRequest {
  std::optional<OwnedModelSpec> spec;
  std::vector<std::string> fields;
};
// Errors, here and below: kInvalidArgument for bytes that are no such message.
absl::StatusOr<MetadataRequest> ParseMetadataRequest(std::string_view message);
// A serialized GetModelMetadataResponse with signature_def.
absl::StatusOr<std::string> EncodeMetadataResponse(const lifecycle::ServableId& id,
                                                   const engine::Model& model);
// The whole REST metadata document (§4.8), wrapper and white space included. Errors: kInternal when
// the model's signatures are no SignatureDefMap.
absl::StatusOr<std::string> MetadataJson(const lifecycle::ServableId& id,
                                         const engine::Model& model);

// The SignatureDef of one of the model's signatures in protobuf's text format, as error texts show
// it (§3.5).
std::string SignatureDefText(const engine::Model& model, const engine::Signature& signature);

struct StatusRequest {
  std::optional<OwnedModelSpec> spec;
};
absl::StatusOr<StatusRequest> ParseStatusRequest(std::string_view message);
std::string EncodeStatusResponse(const std::vector<lifecycle::VersionStatus>& versions);
// The REST status document (§4.8): 1-space indent, trailing newline.
std::string StatusJson(const std::vector<lifecycle::VersionStatus>& versions);

// ReloadConfigRequest. `metric_names` gets the counters whose growth the caller asks for, when it
// is not null. Errors: kInvalidArgument with the contract's text (§3.8) for anything but a
// model_config_list.
absl::StatusOr<lifecycle::ModelConfigs> ParseReloadRequest(
    std::string_view message, std::vector<std::string>* metric_names = nullptr);
// A successful ReloadConfigResponse, with how much each counter grew.
std::string EncodeReloadResponse(
    const std::vector<std::pair<std::string, int64_t>>& increases = {});

// What a custom_model_config is refused with (Q33).
inline constexpr std::string_view kCustomConfigRefused =
    "ModelServer does not yet support custom model config.";

// Text-format ModelServerConfig, as in --model_config_file. `path` is for the error texts:
// kInvalidArgument "<path>; Invalid argument" for an empty text and "Invalid protobuf file:
// '<path>'" for a bad one, with protobuf's own line in the log (§1.3). `custom_model_config` is
// refused (Q33). `has_list`, when not null, gets whether the text has a model_config_list at all:
// one without is not the same as one with an empty list (§5.7).
absl::StatusOr<lifecycle::ModelConfigs> ParseModelConfigText(const std::string& path,
                                                             const std::string& text,
                                                             bool* has_list = nullptr);

}  // namespace baton::codec::grpc
