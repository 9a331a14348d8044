#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace baton::base {

// Writing protobuf wire format into memory that was measured before. Every function returns the
// position behind what it wrote; the caller answers for the room.

inline size_t VarintSize(uint64_t value) {
  return (static_cast<size_t>(std::bit_width(value | 1)) + 6) / 7;
}

inline char* WriteVarint(uint64_t value, char* to) {
  while (value >= 0x80) {
    *to++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *to++ = static_cast<char>(value);
  return to;
}

inline size_t BytesTagSize(uint32_t field) { return VarintSize(field << 3); }

// The tag of a run of bytes and its length.
inline char* WriteBytesTag(uint32_t field, size_t length, char* to) {
  return WriteVarint(length, WriteVarint(field << 3 | 2, to));
}

inline char* WriteRaw(std::string_view bytes, char* to) {
  if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
  return to + bytes.size();
}

// A whole field of bytes.
inline size_t BytesFieldSize(uint32_t field, size_t length) {
  return BytesTagSize(field) + VarintSize(length) + length;
}
inline char* WriteBytesField(uint32_t field, std::string_view bytes, char* to) {
  return WriteRaw(bytes, WriteBytesTag(field, bytes.size(), to));
}

}  // namespace baton::base
