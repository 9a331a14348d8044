#include "codec/rest/base64.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/escaping.h"
#include "base/strings.h"

namespace baton::codec::rest {
namespace {

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<int8_t, 256> MakeValues() {
  std::array<int8_t, 256> values{};
  for (auto& value : values) value = -1;
  for (int i = 0; i < 64; ++i)
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<int8_t>(i);
  return values;
}
constexpr std::array<int8_t, 256> kValues = MakeValues();

int32_t Value(char c) { return kValues[static_cast<unsigned char>(c)]; }

}  // namespace

ptrdiff_t DecodeBase64(std::string_view text, char* out) {
  // Whole groups without white space and padding here; whatever else there is, Abseil judges, as
  // TensorFlow Serving lets it.
  char* to = out;
  size_t at = 0;
  for (; at + 4 <= text.size(); at += 4) {
    const char* p = text.data() + at;
    const int32_t bits =
        (Value(p[0]) << 18) | (Value(p[1]) << 12) | (Value(p[2]) << 6) | Value(p[3]);
    if (bits < 0) break;
    to[0] = static_cast<char>(bits >> 16);
    to[1] = static_cast<char>(bits >> 8);
    to[2] = static_cast<char>(bits);
    to += 3;
  }
  if (at == text.size()) return to - out;
  std::string rest;
  if (!absl::Base64Unescape(base::ToAbsl(text.substr(at)), &rest)) return -1;
  std::memcpy(to, rest.data(), rest.size());
  return to - out + static_cast<ptrdiff_t>(rest.size());
}

void EncodeBase64(std::string_view bytes, char* out) {
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t left = bytes.size();
  for (; left >= 3; left -= 3, p += 3, out += 4) {
    const uint32_t bits = (uint32_t{p[0]} << 16) | (uint32_t{p[1]} << 8) | p[2];
    out[0] = kAlphabet[bits >> 18];
    out[1] = kAlphabet[(bits >> 12) & 63];
    out[2] = kAlphabet[(bits >> 6) & 63];
    out[3] = kAlphabet[bits & 63];
  }
  if (left == 0) return;
  const uint32_t bits = (uint32_t{p[0]} << 16) | (left == 2 ? uint32_t{p[1]} << 8 : 0);
  out[0] = kAlphabet[bits >> 18];
  out[1] = kAlphabet[(bits >> 12) & 63];
  out[2] = left == 2 ? kAlphabet[(bits >> 6) & 63] : '=';
  out[3] = '=';
}

}  // namespace baton::codec::rest
