#pragma once

#include <string>
#include <string_view>

namespace baton::codec::grpc {

// Well-formed UTF-8: no surrogates, nothing over-long, nothing above U+10FFFF. protobuf refuses
// anything else in a string field.
bool IsValidUtf8(std::string_view text);

// `text` with U+FFFD for every byte that is not part of a well-formed character.
std::string ReplaceInvalidUtf8(std::string_view text);

}  // namespace baton::codec::grpc
