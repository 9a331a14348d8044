#include "frontend/grpc/profiler_service.h"

#include <string>
#include <utility>

#include "codec/grpc/profiler_codec.h"

namespace baton::frontend::grpc {

ProfilerService::ProfilerService(Options options, const engine::EngineRegistry* engines)
    : options_(options), trace_(engines), thread_({.name = "profiler"}) {}

ProfilerService::~ProfilerService() { trace_.Stop(); }

void ProfilerService::Register(GrpcHandler& handler) {
  const std::string service = "/tensorflow.ProfilerService/";
  handler.AddUnary(service + "Profile", [this](UnaryCallPtr call) { Profile(std::move(call)); });
  handler.AddUnary(service + "Terminate", [this](const UnaryCallPtr& call) { Terminate(call); });
  handler.AddUnary(service + "Monitor", [](const UnaryCallPtr& call) {
    call->FinishError(absl::UnimplementedError("unimplemented."));
  });
}

void ProfilerService::Profile(UnaryCallPtr call) {
  absl::StatusOr<codec::grpc::ProfileRequest> request =
      codec::grpc::ParseProfileRequest(call->message().view());
  if (!request.ok()) return call->FinishError(request.status());
  if (request->duration > options_.max_duration) {
    return call->FinishError(absl::InvalidArgumentError(base::StrCat(
        "a trace of ", absl::ToInt64Milliseconds(request->duration), " ms is too long; at most ",
        absl::ToInt64Milliseconds(options_.max_duration), " ms are allowed")));
  }
  if (absl::Status status = trace_.Begin(request->session_id); !status.ok()) {
    return call->FinishError(status);
  }
  thread_.Schedule([this, request = *std::move(request), call = std::move(call)] {
    const absl::StatusOr<std::string> xspace = trace_.Take(
        {.options = request.options, .duration = request.duration, .is_cancelled = [&call] {
           return call->context().cancelled();
         }});
    if (!xspace.ok()) return call->FinishError(xspace.status());
    call->FinishMessage(codec::grpc::EncodeProfileResponse(*xspace, request.emit_xspace));
  });
}

void ProfilerService::Terminate(const UnaryCallPtr& call) {
  const absl::StatusOr<std::string> session =
      codec::grpc::ParseTerminateRequest(call->message().view());
  if (!session.ok()) return call->FinishError(session.status());
  trace_.End(*session);
  call->FinishMessage(std::string_view());
}

}  // namespace baton::frontend::grpc
