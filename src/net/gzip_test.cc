#include "net/gzip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace baton::net {
namespace {

constexpr uint64_t kNoLimit = UINT64_MAX;

std::string Text(size_t bytes) {
  std::string text(bytes, '\0');
  uint32_t random = 1;
  for (char& c : text) {
    random = random * 1664525u + 1013904223u;
    c = static_cast<char>('a' + (random >> 28));
  }
  return text;
}

class GzipTest : public ::testing::TestWithParam<Compression> {
 protected:
  std::string Packed(std::string_view text) {
    return std::string(Compress(GetParam(), text)->view());
  }
  absl::StatusOr<base::Buffer> Unpack(std::string_view bytes, uint64_t max = kNoLimit) {
    return Decompress(GetParam(), bytes, max);
  }
  absl::StatusCode CodeOf(std::string_view bytes, uint64_t max = kNoLimit) {
    return Unpack(bytes, max).status().code();
  }
};

TEST_P(GzipTest, GivesBackWhatItTook) {
  for (const size_t bytes : {0, 1, 100, 16384, 16385, 300'000, 5'000'000}) {
    const std::string text = Text(bytes);
    const std::string packed = Packed(text);
    EXPECT_TRUE(bytes < 100 || packed.size() < bytes);
    const absl::StatusOr<base::Buffer> back = Unpack(packed);
    ASSERT_TRUE(back.ok()) << bytes << back.status();
    EXPECT_TRUE(back->view() == text) << bytes;
  }
}

TEST_P(GzipTest, StopsAtTheLimitAndNotBefore) {
  for (const size_t bytes : {1, 100, 16384, 1'000'000}) {
    const std::string packed = Packed(std::string(bytes, 'x'));
    EXPECT_EQ(CodeOf(packed, bytes - 1), absl::StatusCode::kResourceExhausted) << bytes;
    EXPECT_EQ(CodeOf(packed, bytes), absl::StatusCode::kOk) << bytes;
  }
  EXPECT_EQ(CodeOf(Packed(""), 0), absl::StatusCode::kOk);
  EXPECT_EQ(CodeOf(Packed("x"), 0), absl::StatusCode::kResourceExhausted);
}

TEST_P(GzipTest, ABombCostsNoMoreThanTheLimit) {
  const std::string bomb = Packed(std::string(200 << 20, '\0'));
  ASSERT_LT(bomb.size(), 300u << 10);
  EXPECT_EQ(CodeOf(bomb, 1 << 20), absl::StatusCode::kResourceExhausted);
}

TEST_P(GzipTest, RefusesEveryCutStream) {
  const std::string packed = Packed(Text(3000));
  for (size_t size = 0; size < packed.size(); ++size) {
    ASSERT_EQ(CodeOf(packed.substr(0, size)), absl::StatusCode::kInvalidArgument) << size;
  }
}

TEST_P(GzipTest, RefusesWhatFollowsTheStream) {
  const std::string packed = Packed("once");
  EXPECT_EQ(CodeOf(packed + packed), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(packed + "x"), absl::StatusCode::kInvalidArgument);
}

TEST_P(GzipTest, RefusesDamage) {
  std::string packed = Packed(Text(3000));
  for (const size_t at : {size_t{0}, size_t{1}, packed.size() / 2, packed.size() - 1}) {
    std::string damaged = packed;
    damaged[at] ^= 0x55;
    EXPECT_EQ(CodeOf(damaged), absl::StatusCode::kInvalidArgument) << at;
  }
  EXPECT_EQ(CodeOf("{\"instances\": [1.0]}"), absl::StatusCode::kInvalidArgument);
}

TEST_P(GzipTest, KeepsTheFramingsApart) {
  const Compression other =
      GetParam() == Compression::kGzip ? Compression::kDeflate : Compression::kGzip;
  EXPECT_EQ(Decompress(other, Packed("text"), kNoLimit).status().code(),
            absl::StatusCode::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(Both, GzipTest,
                         ::testing::Values(Compression::kGzip, Compression::kDeflate),
                         [](const auto& info) {
                           return info.param == Compression::kGzip ? "Gzip" : "Deflate";
                         });

}  // namespace
}  // namespace baton::net
