#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/buffer.h"
#include "codec/rest/json_tape.h"

namespace baton::codec::rest {

// What every POST body has in common: a JSON object, perhaps with a signature's name.
struct RequestBody {
  JsonTape tape;
  std::string signature_name;  // empty when the body has none
};

// Errors: kInvalidArgument with the contract's texts (§4.3, §4.5), also for more than `max_depth`
// levels.
absl::StatusOr<RequestBody> ReadRequestBody(const base::Buffer& body, int max_depth);

// kInvalidArgument "JSON Value: <the whole body> <complaint>".
absl::Status WrongDocument(const JsonTape& tape, std::string_view complaint);

}  // namespace baton::codec::rest
