#include "frontend/http/rest_status.h"

#include "absl/status/status.h"
#include "base/strings.h"
#include "gtest/gtest.h"

namespace baton::frontend::http {
namespace {

// Contract §4.4, whole.
TEST(RestStatusTest, EveryCodeHasItsHttpStatus) {
  using Code = absl::StatusCode;
  const struct {
    Code code;
    int http;
  } rows[] = {
      {Code::kOk, 200},
      {Code::kCancelled, 499},
      {Code::kUnknown, 500},
      {Code::kInvalidArgument, 400},
      {Code::kDeadlineExceeded, 504},
      {Code::kNotFound, 404},
      {Code::kAlreadyExists, 409},
      {Code::kPermissionDenied, 403},
      {Code::kResourceExhausted, 429},
      {Code::kFailedPrecondition, 400},
      {Code::kAborted, 409},
      {Code::kOutOfRange, 400},
      {Code::kUnimplemented, 501},
      {Code::kInternal, 500},
      {Code::kUnavailable, 503},
      {Code::kDataLoss, 500},
      {Code::kUnauthenticated, 401},
      {static_cast<Code>(77), 500},
  };
  for (const auto& row : rows)
    EXPECT_EQ(HttpStatus(row.code), row.http) << base::CodeName(row.code);
}

}  // namespace
}  // namespace baton::frontend::http
