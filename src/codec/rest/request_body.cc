#include "codec/rest/request_body.h"

#include "base/status_macros.h"
#include "base/strings.h"
#include "codec/rest/json_reader.h"
#include "codec/rest/rapidjson_text.h"

namespace baton::codec::rest {

absl::Status WrongDocument(const JsonTape& tape, std::string_view complaint) {
  return absl::InvalidArgumentError(
      base::StrCat("JSON Value: ", DebugText(tape, 0), " ", complaint));
}

absl::StatusOr<RequestBody> ReadRequestBody(const base::Buffer& body, int max_depth) {
  RequestBody request;
  BATON_ASSIGN_OR_RETURN(request.tape, ReadJson(body, max_depth));
  const JsonTape& tape = request.tape;
  if (!tape.is_object(0)) return WrongDocument(tape, "Is not object");
  if (const size_t at = tape.Find(0, "signature_name"); at != 0) {
    if (tape.kind(at) != JsonKind::kString) {
      return WrongDocument(tape,
                           "not formatted correctly. 'signature_name' key must be a string value.");
    }
    request.signature_name = tape.string_at(at);
  }
  return request;
}

}  // namespace baton::codec::rest
