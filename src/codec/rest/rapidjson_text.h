#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "codec/rest/json_tape.h"

namespace baton::codec::rest {

// What only RapidJSON knows exactly, because clients of TensorFlow Serving see its texts: parse
// errors, the re-printing of an offending value, and numbers at the ends of the range. Off the fast
// path, never recursive.

// The error of a text that JsonReader refused at `offset`.
absl::Status ParseError(std::string_view text, size_t offset);

// The `<dbg>` of the contract: the value pretty-printed, arrays on one line, cut at the first token
// that would begin at or after byte 256.
std::string DebugText(const JsonTape& tape, size_t at);

// "Null", "False", "True", "Object", "Array", "String" or "Number".
std::string_view TypeName(JsonKind kind);

// False when RapidJSON refuses the number token.
bool ReadNumberWithRapidJson(std::string_view token, double* value);

}  // namespace baton::codec::rest
