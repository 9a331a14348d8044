#include "storage/crc32c.h"

#include <array>
#include <cstddef>
#include <cstring>

namespace baton::storage {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // Castagnoli's, bits reversed

// tables[k][b]: what byte b adds when k more bytes follow it, so that eight bytes are one step.
using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables MakeTables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < tables.size(); ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t crc = tables[k - 1][byte];
      tables[k][byte] = (crc >> 8) ^ tables[0][crc & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

uint64_t LoadLittleEndian(const char* at) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(at[i]);
  return value;
}

#ifdef __x86_64__
constexpr bool kMayHaveInstruction = true;

__attribute__((target("sse4.2"))) uint32_t Crc32cByInstruction(std::string_view bytes,
                                                               uint32_t before) {
  uint64_t crc = ~before;
  const char* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t word = 0;
    std::memcpy(&word, at, 8);
    crc = __builtin_ia32_crc32di(crc, word);
  }
  for (; left > 0; ++at, --left) {
    crc = __builtin_ia32_crc32qi(static_cast<uint32_t>(crc), static_cast<unsigned char>(*at));
  }
  return ~static_cast<uint32_t>(crc);
}

bool HasInstruction() { return __builtin_cpu_supports("sse4.2"); }
#else
constexpr bool kMayHaveInstruction = false;
uint32_t Crc32cByInstruction(std::string_view bytes, uint32_t before) {
  return Crc32cByTables(bytes, before);
}
bool HasInstruction() { return false; }
#endif

}  // namespace

uint32_t Crc32cByTables(std::string_view bytes, uint32_t before) {
  uint32_t crc = ~before;
  const char* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    const uint64_t word = LoadLittleEndian(at) ^ crc;
    crc = 0;
    for (size_t i = 0; i < 8; ++i) crc ^= kTables[7 - i][word >> (8 * i) & 0xff];
  }
  for (; left > 0; ++at, --left) {
    crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<uint8_t>(*at)) & 0xff];
  }
  return ~crc;
}

uint32_t Crc32c(std::string_view bytes, uint32_t before) {
  static const bool has_instruction = kMayHaveInstruction && HasInstruction();
  return has_instruction ? Crc32cByInstruction(bytes, before) : Crc32cByTables(bytes, before);
}

}  // namespace baton::storage
