#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "codec/rest/json_tape.h"

namespace baton::codec::rest {

inline constexpr double kExactPow10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                         1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                         1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

inline constexpr uint64_t kPow10[] = {1,
                                      10,
                                      100,
                                      1000,
                                      10000,
                                      100000,
                                      1000000,
                                      10000000,
                                      100000000,
                                      1000000000,
                                      10000000000,
                                      100000000000,
                                      1000000000000,
                                      10000000000000,
                                      100000000000000,
                                      1000000000000000,
                                      10000000000000000,
                                      100000000000000000,
                                      1000000000000000000,
                                      10000000000000000000u};

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

// A run of digits that starts at `p`: its length and, as long as it does not overflow, its value.
//
// Eight bytes at a time without a branch per digit: numbers of one body differ in length, and each
// wrong guess of a loop's end would cost more than the digits.
inline const char* ScanDigits(const char* p, const char* end, uint64_t* value) {
  uint64_t result = 0;
  while (end - p >= 8) {
    uint64_t word;
    std::memcpy(&word, p, sizeof(word));
    word ^=
        0x3030303030303030;  // digits become 0 to 9; marks: bytes above 9, the lowest mark is exact
    const uint64_t marks = ((word + 0x7676767676767676) | word) & 0x8080808080808080;
    const int digits = marks == 0 ? 8 : std::countr_zero(marks) / 8;
    if (digits == 0) break;
    word <<= (8 - digits) * 8;  // zeros in front
    word = word * 10 + (word >> 8);
    const uint64_t eight = (((word & 0x000000FF000000FF) * 0x000F424000000064) +
                            (((word >> 16) & 0x000000FF000000FF) * 0x0000271000000001)) >>
                           32;
    result = result * kPow10[digits] + eight;
    p += digits;
    if (digits < 8) {
      *value = result;
      return p;
    }
  }
  for (unsigned d; (d = static_cast<unsigned char>(*p) - unsigned{'0'}) <= 9; ++p) {
    result = result * 10 + d;
  }
  *value = result;
  return p;
}

// Reads the number at `p` into a tape entry and returns its end; nullptr when there is none that
// RapidJSON takes. Decimals are correctly rounded. REQUIRES: a byte that cannot be part of a number
// stands before `end`.
inline const char* ScanNumber(const char* p, const char* text, const char* end, uint64_t* entry) {
  const char* const begin = p;
  const bool negative = *p == '-';
  p += negative;
  const char* const digits = p;
  uint64_t mantissa = 0;
  if (static_cast<unsigned char>(*p) - unsigned{'0'} <= 9 && p[1] == '.') {
    mantissa = static_cast<unsigned char>(*p++) - unsigned{'0'};
  } else {
    p = ScanDigits(p, end, &mantissa);
  }
  const size_t integer_digits = static_cast<size_t>(p - digits);
  if (*p == '.') {
    const char* const fraction = p + 1;
    uint64_t decimals = 0;
    p = ScanDigits(fraction, end, &decimals);
    const size_t places = static_cast<size_t>(p - fraction);
    // One division of two exactly known numbers is correctly rounded.
    if (integer_digits + places <= 19 && places > 0 && integer_digits > 0 &&
        (*digits != '0' || integer_digits == 1) && (*p | 0x20) != 'e') {
      mantissa = mantissa * kPow10[places] + decimals;
      if (mantissa <= (uint64_t{1} << 53)) {
        const double value = static_cast<double>(mantissa) / kExactPow10[places];
        *entry = std::bit_cast<uint64_t>(negative ? -value : value);
        return p;
      }
    }
  } else if (integer_digits > 0 && integer_digits <= 14 && (*p | 0x20) != 'e' &&
             (*digits != '0' || integer_digits == 1)) {
    *entry = JsonTape::Entry(JsonKind::kInt, negative ? uint64_t{0} - mantissa : mantissa);
    return p;
  }
  return ScanRareNumber({begin, negative, integer_digits}, text, end, entry);
}

}  // namespace baton::codec::rest
