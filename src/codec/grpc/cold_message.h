#pragma once

#include <google/protobuf/io/coded_stream.h>

#include <string_view>

namespace baton::codec::grpc {

// A cold submessage is parsed by protobuf only to learn whether it is one. Its objects can take a
// hundred times the bytes on the wire, so larger ones than this are not parsed.
inline constexpr size_t kMaxColdBytes = 1 << 20;

template <typename Message>
bool IsWellFormed(std::string_view bytes, int depth) {
  if (depth < 0) return false;
  google::protobuf::io::CodedInputStream stream(reinterpret_cast<const uint8_t*>(bytes.data()),
                                                static_cast<int>(bytes.size()));
  stream.SetRecursionLimit(depth);
  Message message;
  return message.ParseFromCodedStream(&stream) && stream.ConsumedEntireMessage();
}

}  // namespace baton::codec::grpc
