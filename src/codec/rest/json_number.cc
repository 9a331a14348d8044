#include "codec/rest/json_number.h"

#include <charconv>
#include <cstring>
#include <limits>
#include <string_view>
#include <system_error>

#include "codec/rest/rapidjson_text.h"

namespace baton::codec::rest {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// NaN, Inf, Infinity; "Inf" followed by an i must go on to "Infinity".
const char* ScanWord(const char* p, const char* end, bool negative, uint64_t* entry) {
  const std::string_view rest(p, static_cast<size_t>(end - p));
  if (rest.starts_with("NaN")) {
    *entry = std::bit_cast<uint64_t>(std::numeric_limits<double>::quiet_NaN());
    return p + 3;
  }
  if (!rest.starts_with("Inf")) return nullptr;
  const double infinity = std::numeric_limits<double>::infinity();
  *entry = std::bit_cast<uint64_t>(negative ? -infinity : infinity);
  if (rest.starts_with("Infinity")) return p + 8;
  return p[3] == 'i' ? nullptr : p + 3;
}

// Sets `value` and returns true when the digits fit RapidJSON's Int64 or Uint64.
bool FitsInteger(const char* digits, size_t count, bool negative, uint64_t* value) {
  uint64_t magnitude = 0;
  const auto [stop, error] = std::from_chars(digits, digits + count, magnitude);
  if (error != std::errc() || (negative && magnitude > uint64_t{1} << 63)) return false;
  *value = negative ? uint64_t{0} - magnitude : magnitude;
  return true;
}

// The end of "e+12"; nullptr without digits. Sets `exponent`, at most 999999.
const char* ScanExponent(const char* p, int* exponent) {
  ++p;
  const bool negative = *p == '-';
  if (*p == '-' || *p == '+') ++p;
  if (!IsDigit(*p)) return nullptr;
  int value = 0;
  for (; IsDigit(*p); ++p) {
    if (value < 99999) value = value * 10 + (*p - '0');
  }
  *exponent = negative ? -value : value;
  return p;
}

}  // namespace

const char* ScanRareNumber(const NumberToken& token, const char* text, const char* end,
                           uint64_t* entry) {
  const char* const digits = token.begin + token.negative;
  if (token.integer_digits == 0) return ScanWord(digits, end, token.negative, entry);
  if (*digits == '0' && token.integer_digits > 1) {  // the token ends behind the zero
    *entry = JsonTape::Entry(JsonKind::kInt, 0);
    return digits + 1;
  }
  const char* p = digits + token.integer_digits;
  bool is_decimal = false;
  int exponent = 0;
  if (*p == '.') {
    is_decimal = true;
    if (!IsDigit(*++p)) return nullptr;
    while (IsDigit(*p)) ++p;
  }
  if (*p == 'e' || *p == 'E') {
    is_decimal = true;
    p = ScanExponent(p, &exponent);
    if (p == nullptr) return nullptr;
  }
  uint64_t integer = 0;
  if (!is_decimal && FitsInteger(digits, token.integer_digits, token.negative, &integer)) {
    *entry = JsonTape::Entry(JsonKind::kBigInt, static_cast<uint64_t>(token.begin - text));
    return p;
  }
  double value = 0;
  const auto [stop, error] = std::from_chars(token.begin, p, value);
  // Near the ends of the range RapidJSON's own arithmetic decides what is too big, infinite or
  // zero.
  if (error != std::errc() || exponent > 280 || token.integer_digits > 280) {
    double theirs = 0;
    if (!ReadNumberWithRapidJson({token.begin, static_cast<size_t>(p - token.begin)}, &theirs)) {
      return nullptr;
    }
    if (error != std::errc()) value = theirs;
  }
  *entry = std::bit_cast<uint64_t>(value);
  return p;
}

}  // namespace baton::codec::rest
