#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "codec/rest/json_tape.h"

namespace baton::codec::rest {

inline constexpr double kExactPow10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                         1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                         1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// What stands between the digits of a number token, for the rare forms.
struct NumberToken {
  const char* begin = nullptr;
  bool negative = false;
  size_t integer_digits = 0;
};

// The rest of a number that is not a short decimal: words, 64-bit integers, exponents, more digits
// than a double holds exactly. Returns the end of the token and sets `entry`; nullptr when it is
// none.
const char* ScanRareNumber(const NumberToken& token, const char* text, const char* end,
                           uint64_t* entry);

// The value of an integer token of up to 64 bits. REQUIRES: the reader made it a kBigInt.
JsonInteger ReadLongInteger(const char* token);

// Reads the number at `p` into a tape entry and returns its end; nullptr when there is none that
// RapidJSON takes. Decimals are correctly rounded. REQUIRES: a byte that cannot be part of a number
// stands before `end`.
inline const char* ScanNumber(const char* p, const char* text, const char* end, uint64_t* entry) {
  const char* const begin = p;
  const bool negative = *p == '-';
  p += negative;
  const char* const digits = p;
  uint64_t mantissa = 0;
  for (unsigned d; (d = static_cast<unsigned char>(*p) - unsigned{'0'}) <= 9; ++p) {
    mantissa = mantissa * 10 + d;
  }
  size_t count = static_cast<size_t>(p - digits);
  const size_t integer_digits = count;
  if (*p == '.') {
    const char* const fraction = ++p;
    for (unsigned d; (d = static_cast<unsigned char>(*p) - unsigned{'0'}) <= 9; ++p) {
      mantissa = mantissa * 10 + d;
    }
    const size_t places = static_cast<size_t>(p - fraction);
    count += places;
    // One division of two exactly known numbers is correctly rounded.
    if (count <= 19 && mantissa <= (uint64_t{1} << 53) && places > 0 && (*p | 0x20) != 'e' &&
        integer_digits > 0 && (*digits != '0' || integer_digits == 1)) {
      const double value = static_cast<double>(mantissa) / kExactPow10[places];
      *entry = std::bit_cast<uint64_t>(negative ? -value : value);
      return p;
    }
  } else if (count > 0 && count <= 14 && (*p | 0x20) != 'e' && (*digits != '0' || count == 1)) {
    *entry = JsonTape::Entry(JsonKind::kInt, negative ? uint64_t{0} - mantissa : mantissa);
    return p;
  }
  return ScanRareNumber({begin, negative, integer_digits}, text, end, entry);
}

}  // namespace baton::codec::rest
