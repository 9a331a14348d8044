#include "codec/grpc/model_codec.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "codec/grpc/proto_json.h"
#include "codec/grpc/utf8.h"
#include "tensorflow_serving/apis/get_model_metadata.pb.h"
#include "tensorflow_serving/apis/get_model_status.pb.h"

namespace baton::codec::grpc {
namespace {

namespace tfs = tensorflow::serving;

constexpr char kSignatureDefUrl[] = "type.googleapis.com/tensorflow.serving.SignatureDefMap";

template <typename Message>
absl::StatusOr<Message> Parse(std::string_view bytes, std::string_view type) {
  Message message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InvalidArgumentError(base::StrCat("the request is no ", type));
  }
  return message;
}

OwnedModelSpec FromProto(const tfs::ModelSpec& proto) {
  OwnedModelSpec spec;
  spec.name = proto.name();
  if (proto.has_version()) spec.version = proto.version().value();
  if (proto.has_version_label()) spec.label = proto.version_label();
  spec.signature_name = proto.signature_name();
  return spec;
}

tfs::ModelSpec ServedSpec(const lifecycle::ServableId& id) {
  tfs::ModelSpec spec;
  spec.set_name(id.name);
  spec.mutable_version()->set_value(id.version);
  return spec;
}

tensorflow::TensorInfo ToProto(const engine::Port& port) {
  tensorflow::TensorInfo info;
  info.set_name(port.tensor_name);
  info.set_dtype(static_cast<tensorflow::DataType>(port.dtype));
  tensorflow::TensorShapeProto& shape = *info.mutable_tensor_shape();
  shape.set_unknown_rank(port.shape.unknown_rank);
  for (const int64_t dim : port.shape.dims) shape.add_dim()->set_size(dim);
  return info;
}

tensorflow::SignatureDef ToProto(const engine::Signature& signature) {
  tensorflow::SignatureDef def;
  for (const engine::Port& port : signature.inputs)
    (*def.mutable_inputs())[port.name] = ToProto(port);
  for (const engine::Port& port : signature.outputs)
    (*def.mutable_outputs())[port.name] = ToProto(port);
  def.set_method_name(signature.method_name);
  return def;
}

// What can be said of a model whose engine has no SignatureDefMap of its own.
tfs::SignatureDefMap FromSignatures(const engine::SignatureTable& table) {
  tfs::SignatureDefMap map;
  for (const engine::Signature& signature : table.all())
    (*map.mutable_signature_def())[signature.name] = ToProto(signature);
  return map;
}

// Map entries in the order of their keys, so that equal messages are equal bytes.
std::string SerializeSorted(const google::protobuf::Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

tfs::GetModelStatusResponse ToProto(const std::vector<lifecycle::VersionStatus>& versions) {
  tfs::GetModelStatusResponse response;
  for (const lifecycle::VersionStatus& version : versions) {
    tfs::ModelVersionStatus& entry = *response.add_model_version_status();
    entry.set_version(version.version);
    entry.set_state(static_cast<tfs::ModelVersionStatus::State>(version.state));
    entry.mutable_status()->set_error_code(
        static_cast<tensorflow::error::Code>(version.status.raw_code()));
    // Texts quote file contents now and then; what is not UTF-8 in them must not make the answer
    // unreadable.
    entry.mutable_status()->set_error_message(ReplaceInvalidUtf8(base::Message(version.status)));
  }
  return response;
}

}  // namespace

predict::ModelSpec OwnedModelSpec::view() const {
  predict::ModelSpec spec;
  spec.name = name;
  spec.version = version;
  if (label) spec.label = *label;
  spec.signature_name = signature_name;
  return spec;
}

absl::StatusOr<MetadataRequest> ParseMetadataRequest(std::string_view message) {
  BATON_ASSIGN_OR_RETURN(const auto proto,
                         Parse<tfs::GetModelMetadataRequest>(message, "GetModelMetadataRequest"));
  MetadataRequest request;
  if (proto.has_model_spec()) request.spec = FromProto(proto.model_spec());
  request.fields.assign(proto.metadata_field().begin(), proto.metadata_field().end());
  return request;
}

absl::StatusOr<std::string> EncodeMetadataResponse(const lifecycle::ServableId& id,
                                                   const engine::Model& model) {
  tfs::GetModelMetadataResponse response;
  *response.mutable_model_spec() = ServedSpec(id);
  google::protobuf::Any& any = (*response.mutable_metadata())["signature_def"];
  any.set_type_url(kSignatureDefUrl);
  if (model.signature_def_map().empty()) {
    any.set_value(SerializeSorted(FromSignatures(model.signatures())));
  } else {
    any.set_value(std::string(model.signature_def_map()));
  }
  return SerializeSorted(response);
}

absl::StatusOr<std::string> MetadataJson(const lifecycle::ServableId& id,
                                         const engine::Model& model) {
  tfs::SignatureDefMap map;
  const std::string_view bytes = model.signature_def_map();
  if (bytes.empty()) {
    map = FromSignatures(model.signatures());
  } else if (!map.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InternalError(base::StrCat("model \"", id.name, "\" version ", id.version,
                                            ": its signatures are no SignatureDefMap"));
  }
  return base::StrCat("{\n\"model_spec\":", ProtoJson(ServedSpec(id)),
                      ",\n\"metadata\": {\"signature_def\": ", ProtoJson(map), "}\n}\n");
}

std::string SignatureDefText(const engine::Model& model, const engine::Signature& signature) {
  tfs::SignatureDefMap map;
  const std::string_view bytes = model.signature_def_map();
  if (map.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    const auto it = map.signature_def().find(signature.name);
    if (it != map.signature_def().end()) return it->second.DebugString();
  }
  return ToProto(signature).DebugString();
}

absl::StatusOr<StatusRequest> ParseStatusRequest(std::string_view message) {
  BATON_ASSIGN_OR_RETURN(const auto proto,
                         Parse<tfs::GetModelStatusRequest>(message, "GetModelStatusRequest"));
  StatusRequest request;
  if (proto.has_model_spec()) request.spec = FromProto(proto.model_spec());
  return request;
}

std::string EncodeStatusResponse(const std::vector<lifecycle::VersionStatus>& versions) {
  return ToProto(versions).SerializeAsString();
}

std::string StatusJson(const std::vector<lifecycle::VersionStatus>& versions) {
  return ProtoJson(ToProto(versions));
}

}  // namespace baton::codec::grpc
