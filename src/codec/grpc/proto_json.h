#pragma once

#include <google/protobuf/message.h>

#include <string>

namespace baton::codec::grpc {

// A message as JSON in the layout of protobuf 6.31 with one space of indent, original field names
// and every field without presence printed: members in the order of their field numbers, maps
// sorted by key, 64-bit integers and wrapped ones as strings, a newline behind the last brace.
// Debian's protobuf has another order, so this is ours.
std::string ProtoJson(const google::protobuf::Message& message);

}  // namespace baton::codec::grpc
