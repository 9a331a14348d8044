#include "codec/rest/json_tape.h"

#include <charconv>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "codec/rest/json_reader.h"
#include "codec/rest/tape_oracle.h"
#include "gtest/gtest.h"

namespace baton::codec::rest {
namespace {

constexpr int kDepth = 1000;

double ReadDouble(const std::string& token) {
  auto tape = ReadJson(base::Buffer::Copy("[" + token + "]"), kDepth);
  EXPECT_TRUE(tape.ok()) << token;
  if (!tape.ok() || tape->kind(2) != JsonKind::kDouble) return -12345;
  return tape->double_at(2);
}

TEST(JsonTapeTest, DecimalsAreCorrectlyRounded) {
  std::mt19937_64 random(1);
  for (const char* format : {"%.4f", "%.9g", "%.17g", "%.6e", "%.25e", "%.1f"}) {
    for (int i = 0; i < 30000; ++i) {
      double value = std::bit_cast<double>(random());
      if (!std::isfinite(value)) continue;
      if (i % 2 == 0)
        value = std::ldexp(static_cast<double>(random()), static_cast<int>(random() % 80) - 90);
      std::string token(400, '\0');
      token.resize(static_cast<size_t>(snprintf(token.data(), token.size(), format, value)));
      if (token.find_first_of(".e") == std::string::npos) token += ".0";
      double expected = 0;
      const auto [end, error] =
          std::from_chars(token.data(), token.data() + token.size(), expected);
      if (error != std::errc()) continue;  // beyond the range: below
      if (token.size() > 300) continue;    // where RapidJSON may say "too big"
      ASSERT_EQ(std::bit_cast<uint64_t>(ReadDouble(token)), std::bit_cast<uint64_t>(expected))
          << token;
    }
  }
}

TEST(JsonTapeTest, ReadsAsRapidJsonDoes) {
  const std::vector<std::string> texts = {
      "",
      " ",
      "{}",
      "[]",
      "[[],{}]",
      "0",
      "-0",
      "-0.0",
      "00",
      "-",
      "+1",
      ".5",
      "1.",
      "1.e5",
      "1e",
      "1e+",
      "1E+5",
      "0e400",
      "0.0e309",
      "0.001e311",
      "0.0000001e320",
      "123456789012345.5e295",
      "1e308",
      "1e309",
      "1.7976931348623157e308",
      "1.8e308",
      "-1e309",
      "1e-400",
      "-1e-99999999999999999999",
      "1e99999999999999999999",
      "100000000000000000000000e290",
      std::string(308, '1'),
      std::string(309, '1'),
      std::string(309, '9'),
      "1" + std::string(308, '0'),
      "0." + std::string(1000, '0') + "1e1000",
      "0." + std::string(5000, '3'),
      std::string(400, '1') + ".5",
      "99999999999999",
      "100000000000000",
      "-140737488355328",
      "9223372036854775807",
      "-9223372036854775808",
      "-9223372036854775809",
      "18446744073709551615",
      "18446744073709551616",
      "9007199254740993.0",
      "NaN",
      "-NaN",
      "nan",
      "Inf",
      "Infinity",
      "-Infinity",
      "Infi",
      "Infinit",
      "Infinite",
      "InfX",
      "Inf.5",
      "-Infinity.25e1",
      "Infe",
      "Infe5",
      "NaN.",
      "NaNe309",
      "NInfinity",  // RapidJSON takes these for Infinity
      "NaInf",
      "-NInf",
      "NaInfi",
      "NN",
      "Na",
      "[Inf,Infinity,NaN]",
      "tru",
      "true",
      "falsey",
      "nul",
      "[null,true,false]",
      "\"\"",
      "\"a",
      "\"",
      "\"\\",
      "\"\\u",
      "\"\\u12\"",
      "\"\\u12g4\"",
      "\"\\uD83D\\uDE00\"",
      "\"\\uD83D\\u0041\"",
      "\"\\uD83D\\n\"",
      "\"\\uD83D\\u\"",
      "\"\\uDC00\"",
      "\"12345678\\n12345678\"",
      "\"12345678\t\"",
      std::string("\"a\0b\"", 5),
      "\"\x7f\x80\xff\"",
      "{\"a\":1,}",
      "{\"a\":1 \"b\":2}",
      "{\"a\"}",
      "{\"a\":}",
      "{,}",
      "{1:2}",
      "[1,]",
      "[,1]",
      "[1 2]",
      "[1,2",
      "[1}",
      "{\"a\":1]",
      "]",
      "}",
      ",",
      ":",
      "{\"a\":[1,{\"b\":\"c\"},[[2.5]],\"\"],\"d\":{}}",
      "[1, 2 ,3\n,\t4\r]",
      "[1,\"a\",2,[3],4]",
      "\xEF\xBB\xBF[1]",
      "\xEF[1]",
      "\xBB\xBF[1]",
      "\xEF",
      "\xEF\xBB\xBF",
      "[1] trailing",
      "1 2",
      "{}{",
      std::string("[1\0]", 4),
      std::string("\0", 1),
      "[\"]\"",
      "{\"}",
  };
  for (const std::string& text : texts) {
    EXPECT_EQ(Disagreement(text, kDepth), "") << text;
    EXPECT_EQ(Disagreement("[" + text + "]", kDepth), "") << text;
    EXPECT_EQ(Disagreement("{\"k\":" + text + " }", kDepth), "") << text;
    EXPECT_EQ(Disagreement("[1, " + text, kDepth), "") << text;
  }
}

TEST(JsonTapeTest, DamagedTextsAreReadAsRapidJsonDoes) {
  const std::string whole =
      R"( {"signature_name":"a\u00e9\\","instances":[[1,-2.5e3,{"b64":"YQ=="}],NaN,true,null,"12345678"]} )";
  std::mt19937 random(7);
  constexpr char kBytes[] = "[]{}\",:0123456789.eE+-\\utrnNfI \n\t\x01\xEF";
  for (int i = 0; i < 40000; ++i) {
    std::string text = whole;
    for (unsigned edits = random() % 3 + 1; edits > 0; --edits) {
      const size_t at = random() % text.size();
      const char byte = kBytes[random() % sizeof(kBytes)];
      switch (random() % 4) {
        case 0:
          text[at] = byte;
          break;
        case 1:
          text.insert(at, 1, byte);
          break;
        case 2:
          text.erase(at, 1) += " ";
          break;
        default:
          text.resize(at + 1);
          break;
      }
    }
    ASSERT_EQ(Disagreement(text, kDepth), "") << text;
  }
}

TEST(JsonTapeTest, FindTakesTheFirstMember) {
  auto tape = ReadJson(base::Buffer::Copy(R"({"b":[1,2],"a":"x","a":5})"), kDepth);
  ASSERT_TRUE(tape.ok());
  EXPECT_EQ(tape->string_at(tape->Find(0, "a")), "x");
  EXPECT_EQ(tape->count(tape->Find(0, "b")), 2u);
  EXPECT_EQ(tape->Find(0, "c"), 0u);
}

}  // namespace
}  // namespace baton::codec::rest
