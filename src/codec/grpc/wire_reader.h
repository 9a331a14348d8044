#pragma once

#include <cstdint>
#include <string_view>

namespace baton::codec::grpc {

// How deep messages and groups may nest before protobuf refuses them; so do we.
inline constexpr int kMaxWireDepth = 100;

// Reads protobuf wire format field by field, without a schema and without copying. Accepts what
// protobuf's own parser accepts and fails where it fails. Bounded: never reads past the end, never
// recurses, and fails for good at the first malformed byte. Groups, which none of our schemas has,
// are skipped.
//
//   WireReader reader(bytes);
//   while (reader.Next()) switch (reader.field()) { case 1: name = reader.bytes(); break; ... }
//   if (!reader.ok()) ...
//
// Threads: confined to one.
class WireReader {
 public:
  enum class WireType : uint8_t {
    kVarint = 0,
    kFixed64 = 1,
    kBytes = 2,
    kStartGroup = 3,
    kEndGroup = 4,
    kFixed32 = 5
  };

  // `depth`: how many levels may still nest inside; a submessage is read with one less than its
  // parent.
  explicit WireReader(std::string_view bytes, int depth = kMaxWireDepth)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()), depth_(depth), ok_(depth >= 0) {}

  // Advances to the next field. False at the end and at an error.
  bool Next();
  bool ok() const { return ok_; }

  uint32_t field() const { return field_; }
  WireType type() const { return type_; }
  // A field of another wire type than its schema says counts as unknown, so check before using a
  // value.
  bool is_varint() const { return type_ == WireType::kVarint; }
  bool is_bytes() const { return type_ == WireType::kBytes; }
  bool is_fixed32() const { return type_ == WireType::kFixed32; }
  bool is_fixed64() const { return type_ == WireType::kFixed64; }

  // The value of the current field: numbers of all three widths in the first, runs of bytes in the
  // second. The other one is 0 or empty.
  uint64_t number() const { return number_; }
  std::string_view bytes() const { return bytes_; }
  // For a reader of bytes().
  int inner_depth() const { return depth_ - 1; }

 private:
  bool Fail();
  bool ReadTag(uint32_t* tag);
  bool ReadValue(WireType type);
  bool SkipGroup(uint32_t field);

  const char* at_;
  const char* end_;
  int depth_;
  bool ok_;
  uint32_t field_ = 0;
  WireType type_ = WireType::kVarint;
  uint64_t number_ = 0;
  std::string_view bytes_;
};

// Reads one varint at *at; advances it. False at a cut or over-long one.
inline bool ReadVarint(const char** at, const char* end, uint64_t* value) {
  uint64_t result = 0;
  const char* p = *at;
  for (int shift = 0; shift < 70; shift += 7) {
    if (p == end) return false;
    const auto byte = static_cast<uint8_t>(*p++);
    result |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *at = p;
      *value = result;
      return true;
    }
  }
  return false;
}

// The length in front of a run of bytes: at most five bytes long and below two gigabytes.
bool ReadLength(const char** at, const char* end, uint32_t* length);

}  // namespace baton::codec::grpc
