#pragma once

#include <cstdint>
#include <string_view>

namespace baton::codec::grpc {

// Reads protobuf wire format field by field, without a schema and without copying. Bounded: never reads past the end,
// never recurses, and fails for good at the first malformed byte.
//
//   WireReader reader(bytes);
//   while (reader.Next()) switch (reader.field()) { case 1: name = reader.bytes(); break; ... }
//   if (!reader.ok()) ...
//
// Threads: confined to one.
class WireReader {
 public:
  enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kStartGroup = 3, kEndGroup = 4, kFixed32 = 5 };

  explicit WireReader(std::string_view bytes)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  // Advances to the next field. False at the end and at an error.
  bool Next();
  bool ok() const { return ok_; }

  uint32_t field() const { return field_; }
  WireType type() const { return type_; }
  // The value of the current field; of the wrong wire type they give 0 and an empty view, so check type() where a
  // schema allows several (packed and unpacked).
  uint64_t varint() const { return varint_; }
  uint32_t fixed32() const { return static_cast<uint32_t>(varint_); }
  uint64_t fixed64() const { return varint_; }
  std::string_view bytes() const { return bytes_; }

 private:
  const char* at_;
  const char* end_;
  bool ok_ = true;
  uint32_t field_ = 0;
  WireType type_ = WireType::kVarint;
  uint64_t varint_ = 0;
  std::string_view bytes_;
};

// Reads one varint at *at; advances it. False at a cut or over-long one.
bool ReadVarint(const char** at, const char* end, uint64_t* value);

}  // namespace baton::codec::grpc
