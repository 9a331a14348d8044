#include "codec/grpc/wire_reader.h"

#include <array>
#include <cstddef>
#include <cstring>

namespace baton::codec::grpc {
namespace {

// protobuf keeps a few bytes below INT_MAX for itself.
constexpr uint32_t kMaxLength = 0x7fffffff - 16;

}  // namespace

bool ReadLength(const char** at, const char* end, uint32_t* length) {
  const char* p = *at;
  uint64_t value = 0;
  if (!ReadVarint(&p, end, &value) || p - *at > 5 || value > kMaxLength) return false;
  *at = p;
  *length = static_cast<uint32_t>(value);
  return true;
}

bool WireReader::Fail() {
  ok_ = false;
  at_ = end_;
  return false;
}

bool WireReader::ReadTag(uint32_t* tag) {
  // A tag has at most five bytes; bits beyond the 32nd are dropped, as protobuf does.
  const char* p = at_;
  uint64_t value = 0;
  if (!ReadVarint(&p, end_, &value) || p - at_ > 5) return false;
  at_ = p;
  *tag = static_cast<uint32_t>(value);
  return *tag >> 3 != 0;
}

bool WireReader::ReadValue(WireType type) {
  number_ = 0;
  bytes_ = {};
  switch (type) {
    case WireType::kVarint:
      return ReadVarint(&at_, end_, &number_);
    case WireType::kFixed64:
    case WireType::kFixed32: {
      const ptrdiff_t width = type == WireType::kFixed64 ? 8 : 4;
      if (end_ - at_ < width) return false;
      std::memcpy(&number_, at_, static_cast<size_t>(width));
      at_ += width;
      return true;
    }
    case WireType::kBytes: {
      uint32_t length = 0;
      if (!ReadLength(&at_, end_, &length) || end_ - at_ < static_cast<ptrdiff_t>(length))
        return false;
      bytes_ = {at_, length};
      at_ += length;
      return true;
    }
    default:
      return false;  // an end without a start, or a type that does not exist
  }
}

bool WireReader::Next() {
  while (at_ < end_) {
    uint32_t tag = 0;
    if (!ReadTag(&tag)) return Fail();
    field_ = tag >> 3;
    type_ = static_cast<WireType>(tag & 7);
    if (type_ == WireType::kStartGroup) {
      if (!SkipGroup(field_)) return Fail();
      continue;
    }
    return ReadValue(type_) || Fail();
  }
  return false;
}

bool WireReader::SkipGroup(uint32_t field) {
  std::array<uint32_t, kMaxWireDepth> open;  // the groups we are in, outermost first
  int count = 0;
  const auto enter = [&](uint32_t group) {
    if (count >= depth_) return false;
    open[count++] = group;
    return true;
  };
  if (!enter(field)) return false;
  while (count > 0) {
    uint32_t tag = 0;
    if (at_ == end_ || !ReadTag(&tag)) return false;
    const auto type = static_cast<WireType>(tag & 7);
    if (type == WireType::kEndGroup) {
      if (open[--count] != tag >> 3) return false;
    } else if (type == WireType::kStartGroup ? !enter(tag >> 3) : !ReadValue(type)) {
      return false;
    }
  }
  return true;
}

}  // namespace baton::codec::grpc
