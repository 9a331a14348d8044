#pragma once

#include <cstdint>
#include <string_view>

namespace baton::storage {

// CRC-32C (Castagnoli) of `bytes`, continuing from the checksum of what came before them: 0 at the
// start. With SSE4.2 where the CPU has it, about 10 GB/s, else by tables.
uint32_t Crc32c(std::string_view bytes, uint32_t before = 0);

// The same by tables, whatever the CPU has; for tests.
uint32_t Crc32cByTables(std::string_view bytes, uint32_t before = 0);

// A checksum as TFRecord files store it: a checksum of bytes that hold checksums is a weak one, so
// it is rotated and shifted.
inline uint32_t MaskCrc(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8; }

}  // namespace baton::storage
