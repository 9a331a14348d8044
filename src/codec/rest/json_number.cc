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

// Fraction and exponent, behind the integer part of a number.
struct Tail {
  const char* end = nullptr;  // nullptr: not well formed
  bool is_present = false;
  int exponent = 0;
};

Tail ScanTail(const char* p) {
  Tail tail;
  if (*p == '.') {
    tail.is_present = true;
    if (!IsDigit(*++p)) return tail;
    while (IsDigit(*p)) ++p;
  }
  if (*p == 'e' || *p == 'E') {
    tail.is_present = true;
    p = ScanExponent(p, &tail.exponent);
  }
  tail.end = p;
  return tail;
}

bool IsNan(std::string_view text) { return text.starts_with("NaN"); }

// The end of NaN, Inf or Infinity; "Inf" followed by an i must go on to "Infinity".
const char* SkipWord(const char* p, const char* end) {
  std::string_view rest(p, static_cast<size_t>(end - p));
  if (IsNan(rest)) return p + 3;
  // RapidJSON does not go back over the beginning of a NaN that is none: it takes "NaInf".
  const size_t lost = rest.starts_with("Na") ? 2 : rest.starts_with("N") ? 1 : 0;
  p += lost;
  rest.remove_prefix(lost);
  if (rest.starts_with("Infinity")) return p + 8;
  return rest.starts_with("Inf") && !rest.starts_with("Infi") ? p + 3 : nullptr;
}

const char* ScanWord(const NumberToken& token, const char* end, uint64_t* entry) {
  const char* const word = token.begin + token.negative;
  const char* const behind = SkipWord(word, end);
  if (behind == nullptr) return nullptr;
  const double infinity = std::numeric_limits<double>::infinity();
  double value = token.negative ? -infinity : infinity;
  if (IsNan({word, static_cast<size_t>(end - word)}))
    value = std::numeric_limits<double>::quiet_NaN();
  // RapidJSON takes "Inf.5" for 0.5.
  const Tail tail = ScanTail(behind);
  if (tail.end == nullptr) return nullptr;
  if (tail.is_present && !ReadNumberWithRapidJson(
                             {token.begin, static_cast<size_t>(tail.end - token.begin)}, &value)) {
    return nullptr;
  }
  *entry = std::bit_cast<uint64_t>(value);
  return tail.end;
}

}  // namespace

const char* ScanRareNumber(const NumberToken& token, const char* text, const char* end,
                           uint64_t* entry) {
  const char* const digits = token.begin + token.negative;
  if (token.integer_digits == 0) return ScanWord(token, end, entry);
  if (*digits == '0' && token.integer_digits > 1) {  // the token ends behind the zero
    *entry = JsonTape::Entry(JsonKind::kInt, 0);
    return digits + 1;
  }
  const Tail tail = ScanTail(digits + token.integer_digits);
  if (tail.end == nullptr) return nullptr;
  uint64_t integer = 0;
  if (!tail.is_present && FitsInteger(digits, token.integer_digits, token.negative, &integer)) {
    *entry = JsonTape::Entry(JsonKind::kBigInt, static_cast<uint64_t>(token.begin - text));
    return tail.end;
  }
  double value = 0;
  const auto [stop, error] = std::from_chars(token.begin, tail.end, value);
  // Near the ends of the range RapidJSON's own arithmetic decides what is too big, infinite or
  // zero.
  if (error != std::errc() || tail.exponent > 280 || token.integer_digits > 280) {
    double theirs = 0;
    if (!ReadNumberWithRapidJson({token.begin, static_cast<size_t>(tail.end - token.begin)},
                                 &theirs)) {
      return nullptr;
    }
    if (error != std::errc()) value = theirs;
  }
  *entry = std::bit_cast<uint64_t>(value);
  return tail.end;
}

}  // namespace baton::codec::rest
