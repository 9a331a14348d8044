#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/buffer.h"

namespace baton::codec::rest {

// The kinds of tape entries. All but kDouble are tags in the space of negative NaNs, which no
// number token yields.
enum class JsonKind : uint8_t {
  kInt = 0,     // an integer token of less than 2^47
  kBigInt = 1,  // one that needs up to 64 bits: read again from the text
  kString = 2,
  kNull = 3,
  kFalse = 4,
  kTrue = 5,
  kArray = 6,
  kObject = 7,
  kDouble = 8,  // a token with fraction or exponent, beyond 64 bits, or one of the words NaN, Inf,
                // Infinity
};

// A JSON integer token as RapidJSON classifies it.
struct JsonInteger {
  bool negative = false;
  uint64_t bits = 0;  // two's complement when negative

  int64_t AsSigned() const { return static_cast<int64_t>(bits); }
  double AsDouble() const {
    return negative ? static_cast<double>(AsSigned()) : static_cast<double>(bits);
  }
};

// One JSON value, read in a single pass into a flat array of 8-byte entries: numbers are converted
// as they are read, strings stay in the text. There is no tree and nothing to destroy. Positions
// ("at") are entry indices; a container's children follow it, so skipping and filling are linear
// walks.
//
//   number, null, false, true   1 entry
//   string                      2 entries: offset of its first byte, its length in the text and
//   whether it has escapes array, object               2 entries: position behind its last child,
//   number of elements or members; children
//
// The dialect is RapidJSON's as TensorFlow Serving uses it (contract §4.3). Text after the value is
// ignored.
//
// Threads: immutable. Owner: keeps the text alive. Errors: Read gives the texts of RapidJSON, which
// reads the body again to find them, and refuses more than `max_depth` levels.
class JsonTape {
 public:
  JsonTape() = default;
  // `entries` holds `size` of them.
  JsonTape(base::Buffer text, base::Buffer entries, size_t size)
      : text_(std::move(text)), entries_(std::move(entries)), size_(size) {}

  size_t size() const { return size_; }
  const base::Buffer& text() const { return text_; }
  uint64_t raw(size_t at) const { return entries()[at]; }
  const uint64_t* entries() const { return reinterpret_cast<const uint64_t*>(entries_.data()); }

  JsonKind kind(size_t at) const { return KindOf(raw(at)); }
  bool is_array(size_t at) const { return kind(at) == JsonKind::kArray; }
  bool is_object(size_t at) const { return kind(at) == JsonKind::kObject; }
  // Elements of an array, members of an object.
  uint64_t count(size_t at) const { return raw(at + 1); }
  // Position behind the value.
  size_t next(size_t at) const;

  double double_at(size_t at) const { return std::bit_cast<double>(raw(at)); }
  JsonInteger integer_at(size_t at) const;

  // The string's bytes as they stand in the text, escapes included.
  std::string_view raw_string(size_t at) const;
  bool has_escapes(size_t at) const { return (raw(at + 1) & kEscapedFlag) != 0; }
  std::string string_at(size_t at) const;
  bool string_equals(size_t at, std::string_view text) const;

  // Position of the value of the first member of that name; 0 (which is never a member) when there
  // is none.
  size_t Find(size_t object, std::string_view name) const;
  // {"b64": "..."} and no other member.
  bool is_base64_object(size_t at) const;

  static JsonKind KindOf(uint64_t entry) {
    return entry < kTagBase ? JsonKind::kDouble : static_cast<JsonKind>((entry >> kTagShift) & 7);
  }
  static int64_t SmallInt(uint64_t entry) { return static_cast<int64_t>(entry << 16) >> 16; }
  static uint64_t Entry(JsonKind kind, uint64_t payload) {
    return kTagBase | (static_cast<uint64_t>(kind) << kTagShift) | (payload & kPayloadMask);
  }
  static uint64_t Payload(uint64_t entry) { return entry & kPayloadMask; }

  static constexpr uint64_t kEscapedFlag = uint64_t{1} << 63;

 private:
  static constexpr int kTagShift = 48;
  static constexpr uint64_t kTagBase = uint64_t{0xFFF8} << kTagShift;
  static constexpr uint64_t kPayloadMask = (uint64_t{1} << kTagShift) - 1;

  base::Buffer text_;
  base::Buffer entries_;
  size_t size_ = 0;
};

// 16 for a byte that is no hexadecimal digit.
inline unsigned HexDigit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? static_cast<unsigned>(lower - 'a' + 10) : 16;
}

// Writes the bytes a JSON string stands for to `out`, which has room for raw.size(), and returns
// their number. REQUIRES: the reader accepted it.
size_t Unescape(std::string_view raw, char* out);

}  // namespace baton::codec::rest
