// Bodies as peers send them, compressed or not: memory stays within the limit, and what Compress
// made comes back.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "net/gzip.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using baton::net::Compression;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  constexpr uint64_t kMaxBytes = 100'000;
  for (const Compression compression : {Compression::kGzip, Compression::kDeflate}) {
    const auto body = baton::net::Decompress(compression, bytes, kMaxBytes);
    BATON_CHECK(!body.ok() || body->size() <= kMaxBytes);
    const auto packed = baton::net::Compress(compression, bytes);
    BATON_CHECK(packed.ok());
    const auto back = baton::net::Decompress(compression, packed->view(), size);
    BATON_CHECK(back.ok() && back->view() == bytes);
  }
  return 0;
}
