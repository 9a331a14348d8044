#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "codec/grpc/wire_writer.h"
#include "lifecycle/servable_id.h"

namespace baton::codec::grpc {

// The ModelSpec of an answer: which version served which signature. Measured, then written, as
// everything of wire_writer.h.

// An Int64Value: zero is a message without fields.
inline size_t VersionSize(int64_t version) {
  return version == 0 ? 0 : 1 + VarintSize(static_cast<uint64_t>(version));
}

inline size_t ModelSpecSize(const lifecycle::ServableId& id, std::string_view signature_name) {
  size_t bytes = BytesFieldSize(2, VersionSize(id.version));
  if (!id.name.empty()) bytes += BytesFieldSize(1, id.name.size());
  if (!signature_name.empty()) bytes += BytesFieldSize(3, signature_name.size());
  return bytes;
}

inline char* WriteModelSpec(const lifecycle::ServableId& id, std::string_view signature_name,
                            char* to) {
  if (!id.name.empty()) to = WriteBytesField(1, id.name, to);
  to = WriteBytesTag(2, VersionSize(id.version), to);
  if (id.version != 0) to = WriteVarint(static_cast<uint64_t>(id.version), WriteVarint(1 << 3, to));
  if (!signature_name.empty()) to = WriteBytesField(3, signature_name, to);
  return to;
}

}  // namespace baton::codec::grpc
