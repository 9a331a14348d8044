#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace baton::codec::grpc {

// Answers one grpc.reflection ServerReflectionRequest (v1 and v1alpha have the same bytes) from the
// descriptors compiled into the process; `services` are those that are served, for the list.
// Errors: kInvalidArgument for bytes that are no request;
// what cannot be found is an error_response inside the answer.
absl::StatusOr<std::string> AnswerReflection(std::string_view message,
                                             const std::vector<std::string>& services);

}  // namespace baton::codec::grpc
