#include "codec/rest/number_text.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>

#include "codec/rest/json_number.h"

namespace baton::codec::rest {
namespace {

constexpr int kMaxScale = 22;  // powers of ten up to here are exact

char* Put(std::string_view text, char* out) {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

// The decimal digits of a value: 0.d1d2d3... * 10^(exponent+1), `count` of them.
struct Decimal {
  uint64_t digits = 0;
  int count = 0;
  int exponent = 0;  // of the first digit
};

constexpr char kPairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

// The last `count` digits of a number, from the right in pairs.
void PutDigits(uint64_t number, int count, char* out) {
  for (; count >= 2; number /= 100) {
    count -= 2;
    std::memcpy(out + count, kPairs + number % 100 * 2, 2);
  }
  if (count == 1) *out = static_cast<char>('0' + number % 10);
}

// "%.<count>g" of a decimal, with ".0" behind whole numbers.
char* WriteGeneral(const Decimal& decimal, bool negative, char* out) {
  const int precision = decimal.count;
  char digits[20];
  PutDigits(decimal.digits, precision, digits);
  size_t kept = static_cast<size_t>(precision);
  while (kept > 1 && digits[kept - 1] == '0') --kept;
  if (negative) *out++ = '-';
  const int exponent = decimal.exponent;
  const std::string_view text(digits, kept);
  if (exponent < -4 || exponent >= precision) {
    *out++ = text[0];
    if (text.size() > 1) {
      *out++ = '.';
      out = Put(text.substr(1), out);
    }
    *out++ = 'e';
    *out++ = exponent < 0 ? '-' : '+';
    const int magnitude = std::abs(exponent);
    if (magnitude >= 100) *out++ = static_cast<char>('0' + magnitude / 100);
    *out++ = static_cast<char>('0' + magnitude / 10 % 10);
    *out++ = static_cast<char>('0' + magnitude % 10);
    return out;
  }
  if (exponent < 0) {
    out = Put(std::string_view("0.000", static_cast<size_t>(1 - exponent)), out);
    return Put(text, out);
  }
  const size_t whole = static_cast<size_t>(exponent) + 1;
  if (text.size() <= whole) {
    out = Put(text, out);
    for (size_t i = text.size(); i < whole; ++i) *out++ = '0';
    return Put(".0", out);
  }
  out = Put(text.substr(0, whole), out);
  *out++ = '.';
  return Put(text.substr(whole), out);
}

// value * 10^scale with at most two roundings; |scale| <= 2 * kMaxScale.
double Scale(double value, int scale) {
  if (scale >= 0) {
    if (scale <= kMaxScale) return value * kExactPow10[scale];
    return value * kExactPow10[kMaxScale] * kExactPow10[scale - kMaxScale];
  }
  if (-scale <= kMaxScale) return value / kExactPow10[-scale];
  return value / kExactPow10[kMaxScale] / kExactPow10[-scale - kMaxScale];
}

// The `count` significant digits of a positive value, or false when rounding errors could change
// one of them. The product below is off by less than 2^-51 of its size, so a fraction further than
// `margin` from one half rounds as the exact value does.
bool ShortDigits(double value, int count, double margin, Decimal* decimal) {
  // Within one of the true exponent: log10(2) times the binary exponent.
  const int binary = static_cast<int>((std::bit_cast<uint64_t>(value) >> 52) & 0x7FF) - 1023;
  int exponent = (binary * 1233) >> 12;
  if (std::abs(count - 1 - exponent) > 2 * kMaxScale - 1) return false;
  double scaled = Scale(value, count - 1 - exponent);
  if (scaled >= kExactPow10[count]) {
    ++exponent;
    scaled = Scale(value, count - 1 - exponent);
  } else if (scaled < kExactPow10[count - 1]) {
    --exponent;
    scaled = Scale(value, count - 1 - exponent);
  }
  const uint64_t whole = static_cast<uint64_t>(scaled);
  const double fraction = scaled - static_cast<double>(whole);
  if (std::abs(fraction - 0.5) < margin) return false;
  *decimal = {whole + (fraction > 0.5 ? 1 : 0), count, exponent};
  if (static_cast<double>(decimal->digits) >= kExactPow10[count]) {
    decimal->digits /= 10;
    ++decimal->exponent;
  }
  return true;
}

// Does the decimal read back as `value`? kUnsure when only exact arithmetic can say.
enum class RoundTrip { kNo, kYes, kUnsure };

RoundTrip ReadsBack(const Decimal& decimal, float value) {
  const int scale = decimal.exponent - (decimal.count - 1);
  const double read = Scale(static_cast<double>(decimal.digits), scale);
  // Rounding to double first matters only next to the middle between two floats.
  const uint64_t tail = std::bit_cast<uint64_t>(read) & ((uint64_t{1} << 29) - 1);
  if (tail - ((uint64_t{1} << 28) - 4) <= 8) return RoundTrip::kUnsure;
  return static_cast<float>(read) == value ? RoundTrip::kYes : RoundTrip::kNo;
}

RoundTrip ReadsBack(const Decimal& decimal, double value) {
  const int scale = decimal.exponent - (decimal.count - 1);
  if (std::abs(scale) > kMaxScale) return RoundTrip::kUnsure;
  return Scale(static_cast<double>(decimal.digits), scale) == value ? RoundTrip::kYes
                                                                    : RoundTrip::kNo;
}

char* AppendPointZero(const char* begin, char* end) {
  const std::string_view text(begin, static_cast<size_t>(end - begin));
  return text.find_first_of(".e") == std::string_view::npos ? Put(".0", end) : end;
}

// The rule itself, with the standard library's exact conversions.
template <typename T>
char* WriteExact(T value, char* out) {
  constexpr int kFull = std::numeric_limits<T>::max_digits10;
  char* end = std::to_chars(out, out + kNumberRoom, value, std::chars_format::general, 6).ptr;
  T read = 0;
  const auto [stop, error] = std::from_chars(out, end, read);
  if (error != std::errc() || read != value) {
    end = std::to_chars(out, out + kNumberRoom, value, std::chars_format::general, kFull).ptr;
  }
  return AppendPointZero(out, end);
}

// Zero and the words; nullptr for everything else.
char* WriteSpecial(double value, char* out) {
  if (value == 0) return Put(std::signbit(value) ? "-0.0" : "0.0", out);
  if (std::isfinite(value)) return nullptr;
  if (std::isnan(value)) return Put("NaN", out);
  return Put(value > 0 ? "Infinity" : "-Infinity", out);
}

}  // namespace

char* WriteFloat(float value, char* out) {
  if (char* end = WriteSpecial(value, out)) return end;
  const double magnitude = std::abs(static_cast<double>(value));
  Decimal decimal;
  // Near the denormals the spacing of floats is not what ReadsBack assumes.
  if (magnitude < 2.0 * std::numeric_limits<float>::min() ||
      !ShortDigits(magnitude, 6, 1e-8, &decimal)) {
    return WriteExact(value, out);
  }
  switch (ReadsBack(decimal, std::abs(value))) {
    case RoundTrip::kYes:
      return WriteGeneral(decimal, value < 0, out);
    case RoundTrip::kUnsure:
      return WriteExact(value, out);
    case RoundTrip::kNo:
      break;
  }
  if (!ShortDigits(magnitude, 9, 1e-5, &decimal)) return WriteExact(value, out);
  return WriteGeneral(decimal, value < 0, out);
}

char* WriteDouble(double value, char* out) {
  if (char* end = WriteSpecial(value, out)) return end;
  const double magnitude = std::abs(value);
  Decimal decimal;
  if (magnitude < std::numeric_limits<double>::min() ||
      !ShortDigits(magnitude, 6, 1e-8, &decimal)) {
    return WriteExact(value, out);
  }
  switch (ReadsBack(decimal, magnitude)) {
    case RoundTrip::kYes:
      return WriteGeneral(decimal, value < 0, out);
    case RoundTrip::kUnsure:
      return WriteExact(value, out);
    case RoundTrip::kNo:
      break;
  }
  char* end = std::to_chars(out, out + kNumberRoom, value, std::chars_format::general, 17).ptr;
  return AppendPointZero(out, end);
}

char* WriteUnsigned(uint64_t value, char* out) {
  char text[20];
  char* p = text + sizeof(text);
  for (; value >= 100; value /= 100) {
    p -= 2;
    std::memcpy(p, kPairs + value % 100 * 2, 2);
  }
  if (value >= 10) {
    p -= 2;
    std::memcpy(p, kPairs + value * 2, 2);
  } else {
    *--p = static_cast<char>('0' + value);
  }
  return Put({p, static_cast<size_t>(text + sizeof(text) - p)}, out);
}

char* WriteSigned(int64_t value, char* out) {
  if (value >= 0) return WriteUnsigned(static_cast<uint64_t>(value), out);
  *out++ = '-';
  return WriteUnsigned(uint64_t{0} - static_cast<uint64_t>(value), out);
}

}  // namespace baton::codec::rest
