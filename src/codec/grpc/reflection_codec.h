#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace baton::codec::grpc {

// Answers one grpc.reflection ServerReflectionRequest (v1 and v1alpha have the same bytes) from the
// descriptors compiled into the process. Errors: kInvalidArgument for bytes that are no request;
// what cannot be found is an error_response inside the answer.
absl::StatusOr<std::string> AnswerReflection(std::string_view message);

}  // namespace baton::codec::grpc
