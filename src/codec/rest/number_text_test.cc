#include "codec/rest/number_text.h"

#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace baton::codec::rest {
namespace {

std::string Text(float value) {
  char room[kNumberRoom];
  return std::string(room, WriteFloat(value, room));
}
std::string Text(double value) {
  char room[kNumberRoom];
  return std::string(room, WriteDouble(value, room));
}

// The rule of the contract, word by word, with printf and strtod.
template <typename T>
std::string Reference(T value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  char text[64];
  std::snprintf(text, sizeof(text), "%.6g", static_cast<double>(value));
  const bool is_float = sizeof(T) == 4;
  const T read = is_float ? static_cast<T>(std::strtof(text, nullptr))
                          : static_cast<T>(std::strtod(text, nullptr));
  if (read != value) {
    std::snprintf(text, sizeof(text), is_float ? "%.9g" : "%.17g", static_cast<double>(value));
  }
  std::string result = text;
  if (result.find_first_of(".e") == std::string::npos) result += ".0";
  return result;
}

TEST(NumberTextTest, TableOfTheContract) {
  const std::vector<std::pair<float, std::string>> floats = {
      {0.1f, "0.1"},
      {1.0f / 3, "0.333333343"},
      {100000, "100000.0"},
      {1000000, "1e+06"},
      {999999, "999999.0"},
      {16777216, "16777216.0"},
      {0.00003f, "3e-05"},
      {123456.7f, "123456.703"},
      {3.40282347e38f, "3.40282347e+38"},
      {1.4e-45f, "1.4013e-45"},
      {-0.0f, "-0.0"},
      {0, "0.0"},
      {1.17549435e-38f, "1.17549435e-38"},
      {99999.99f, "99999.9922"},
      {3e10f, "3e+10"},
  };
  for (const auto& [value, text] : floats) EXPECT_EQ(Text(value), text);
  const std::vector<std::pair<double, std::string>> doubles = {
      {0.1, "0.1"},
      {1.0 / 3, "0.33333333333333331"},
      {1e15, "1e+15"},
      {123456789.125, "123456789.125"},
      {16777216, "16777216.0"},
      {1e-7, "1e-07"},
      {0.1 + 0.2, "0.30000000000000004"},
      {-0.0, "-0.0"},
      {static_cast<double>(1e17f) / 3, "33333332810224980.0"},
      {1e300, "1e+300"},
      {-5e-324, "-4.94066e-324"},
      {1.7976931348623157e308, "1.7976931348623157e+308"},
      {-2.2250738585072014e-308, "-2.2250738585072014e-308"},
  };
  for (const auto& [value, text] : doubles) EXPECT_EQ(Text(value), text);
}

TEST(NumberTextTest, RandomFloatsReadAsPrintfWritesThem) {
  std::mt19937_64 random(11);
  std::uniform_real_distribution<float> unit(0, 1);
  for (int i = 0; i < 400000; ++i) {
    const auto any = std::bit_cast<float>(static_cast<uint32_t>(random()));
    ASSERT_EQ(Text(any), Reference(any)) << std::bit_cast<uint32_t>(any);
    const float probability = unit(random);
    ASSERT_EQ(Text(probability), Reference(probability));
    // Few digits, where the short form and ties live.
    const float few = static_cast<float>(static_cast<int64_t>(random() % 20000000) - 10000000) /
                      static_cast<float>(1 << (random() % 12));
    ASSERT_EQ(Text(few), Reference(few));
    const auto rounded = static_cast<float>(std::pow(10.0, static_cast<int>(random() % 70) - 35) *
                                            static_cast<double>(random() % 1000000));
    ASSERT_EQ(Text(rounded), Reference(rounded));
  }
}

TEST(NumberTextTest, EveryExponentOfFloatAndItsNeighbours) {
  for (uint32_t exponent = 0; exponent < 255; ++exponent) {
    for (uint32_t mantissa : {0u, 1u, 2u, 0x400000u, 0x7FFFFEu, 0x7FFFFFu, 0x123456u}) {
      const auto value = std::bit_cast<float>((exponent << 23) | mantissa);
      ASSERT_EQ(Text(value), Reference(value)) << exponent << " " << mantissa;
      ASSERT_EQ(Text(-value), Reference(-value));
    }
  }
  for (int power = -45; power <= 38; ++power) {
    auto value = static_cast<float>(std::pow(10.0, power));
    for (int i = 0; i < 3; ++i) value = std::nextafter(value, 0.0f);
    for (int i = 0; i < 6; ++i) {
      ASSERT_EQ(Text(value), Reference(value)) << power;
      value = std::nextafter(value, std::numeric_limits<float>::infinity());
    }
  }
}

TEST(NumberTextTest, RandomDoublesReadAsPrintfWritesThem) {
  std::mt19937_64 random(12);
  for (int i = 0; i < 200000; ++i) {
    const double any = std::bit_cast<double>(random());
    ASSERT_EQ(Text(any), Reference(any)) << std::bit_cast<uint64_t>(any);
    const double few = static_cast<double>(static_cast<int64_t>(random() % 20000000) - 10000000) /
                       static_cast<double>(1 << (random() % 12));
    ASSERT_EQ(Text(few), Reference(few));
    const double from_float = std::bit_cast<float>(static_cast<uint32_t>(random()));
    ASSERT_EQ(Text(from_float), Reference(from_float));
    const double decimal = static_cast<double>(random() % 10000000) / 1e4;
    ASSERT_EQ(Text(decimal), Reference(decimal));
    const double usual =
        std::ldexp(static_cast<double>(random()), static_cast<int>(random() % 128) - 128);
    ASSERT_EQ(Text(usual), Reference(usual));
  }
}

TEST(NumberTextTest, Integers) {
  char room[kNumberRoom];
  std::mt19937_64 random(13);
  for (int i = 0; i < 100000; ++i) {
    const uint64_t value = random() >> (random() % 64);
    EXPECT_EQ(std::string(room, WriteUnsigned(value, room)), std::to_string(value));
    const auto number = static_cast<int64_t>(value);
    EXPECT_EQ(std::string(room, WriteSigned(-number, room)), std::to_string(-number));
  }
}

}  // namespace
}  // namespace baton::codec::rest
