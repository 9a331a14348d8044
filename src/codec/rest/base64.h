#pragma once

#include <cstddef>
#include <string_view>

namespace baton::codec::rest {

// Standard alphabet; padding optional, white space skipped, anything else refused.
// Writes to `out`, which has room for text.size() bytes; returns how many, or -1.
ptrdiff_t DecodeBase64(std::string_view text, char* out);

// Padded. Writes Base64Size(bytes.size()) characters.
constexpr size_t Base64Size(size_t bytes) { return (bytes + 2) / 3 * 4; }
void EncodeBase64(std::string_view bytes, char* out);

}  // namespace baton::codec::rest
