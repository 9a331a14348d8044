#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/buffer.h"

namespace baton::net {

enum class Compression { kGzip, kDeflate };  // deflate: zlib framing, as HTTP and gRPC mean it

// Inflates a whole body, piece by piece, so that memory never runs ahead of real output.
// Errors: kInvalidArgument for a corrupt, cut or multi-member stream; kResourceExhausted above
// `max_bytes`.
absl::StatusOr<base::Buffer> Decompress(Compression compression, std::string_view bytes,
                                        uint64_t max_bytes);

absl::StatusOr<base::Buffer> Compress(Compression compression, std::string_view bytes);

}  // namespace baton::net
