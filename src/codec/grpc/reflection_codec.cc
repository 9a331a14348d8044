#include "codec/grpc/reflection_codec.h"

#include <set>
#include <vector>

#include "google/protobuf/descriptor.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "grpc/reflection/v1alpha/reflection.pb.h"
#include "tensorflow_serving/apis/model_service.pb.h"
#include "tensorflow_serving/apis/prediction_service.pb.h"
#include "tensorflow_serving/apis/session_service.pb.h"
#include "tsl/profiler/protobuf/profiler_service.pb.h"

namespace baton::codec::grpc {
namespace {

namespace pb = ::google::protobuf;
using ReflectionRequest = ::grpc::reflection::v1::ServerReflectionRequest;
using ReflectionResponse = ::grpc::reflection::v1::ServerReflectionResponse;

constexpr int kNotFound = 5;
constexpr int kUnimplemented = 12;
constexpr int kInvalidArgument = 3;

// Naming the files that declare services keeps the linker from dropping their descriptors.
void KeepDescriptors() {
  static const void* const kept[] = {
      ::grpc::health::v1::HealthCheckRequest::descriptor(),
      ::grpc::reflection::v1::ServerReflectionRequest::descriptor(),
      ::grpc::reflection::v1alpha::ServerReflectionRequest::descriptor(),
      tensorflow::ProfileRequest::descriptor(),
      tensorflow::serving::SessionRunRequest::descriptor(),
      pb::DescriptorPool::generated_pool()->FindFileByName(
          descriptor_table_tensorflow_5fserving_2fapis_2fmodel_5fservice_2eproto.filename),
      pb::DescriptorPool::generated_pool()->FindFileByName(
          descriptor_table_tensorflow_5fserving_2fapis_2fprediction_5fservice_2eproto.filename),
  };
  (void)kept;
}

void SetError(int code, const std::string& message, ReflectionResponse& response) {
  response.mutable_error_response()->set_error_code(code);
  response.mutable_error_response()->set_error_message(message);
}

void AddWithDependencies(const pb::FileDescriptor* file, std::set<const pb::FileDescriptor*>& seen,
                         ReflectionResponse& response) {
  // Our own files: shallow and acyclic.
  if (!seen.insert(file).second) return;
  pb::FileDescriptorProto proto;
  file->CopyTo(&proto);
  response.mutable_file_descriptor_response()->add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file->dependency_count(); ++i) {
    AddWithDependencies(file->dependency(i), seen, response);
  }
}

void AnswerFile(const pb::FileDescriptor* file, const std::string& what,
                ReflectionResponse& response) {
  if (file == nullptr) return SetError(kNotFound, what + " is not known here", response);
  std::set<const pb::FileDescriptor*> seen;
  AddWithDependencies(file, seen, response);
}

void Answer(const ReflectionRequest& request, const std::vector<std::string>& services,
            ReflectionResponse& response) {
  KeepDescriptors();
  const pb::DescriptorPool* pool = pb::DescriptorPool::generated_pool();
  switch (request.message_request_case()) {
    case ReflectionRequest::kListServices:
      for (const std::string& name : services) {
        response.mutable_list_services_response()->add_service()->set_name(name);
      }
      return;
    case ReflectionRequest::kFileByFilename:
      return AnswerFile(pool->FindFileByName(request.file_by_filename()),
                        request.file_by_filename(), response);
    case ReflectionRequest::kFileContainingSymbol:
      return AnswerFile(pool->FindFileContainingSymbol(request.file_containing_symbol()),
                        request.file_containing_symbol(), response);
    case ReflectionRequest::kFileContainingExtension:
    case ReflectionRequest::kAllExtensionNumbersOfType:
      return SetError(kUnimplemented, "proto3 schemas have no extensions", response);
    default:
      return SetError(kInvalidArgument, "empty reflection request", response);
  }
}

}  // namespace

absl::StatusOr<std::string> AnswerReflection(std::string_view message,
                                             const std::vector<std::string>& services) {
  ReflectionRequest request;
  if (!request.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    return absl::InvalidArgumentError("malformed ServerReflectionRequest");
  }
  ReflectionResponse response;
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  Answer(request, services, response);
  return response.SerializeAsString();
}

}  // namespace baton::codec::grpc
