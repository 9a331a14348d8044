#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "codec/grpc/utf8.h"
#include "codec/grpc/wire_reader.h"
#include "codec/grpc/wire_writer.h"
#include "tensorflow_serving/apis/model.pb.h"

namespace baton::codec::grpc {
namespace {

using std::string_literals::operator""s;

bool ReadsAll(std::string_view bytes, int depth = kMaxWireDepth) {
  WireReader reader(bytes, depth);
  while (reader.Next()) {
  }
  return reader.ok();
}

TEST(WireReaderTest, ReadsEveryWireType) {
  const std::string bytes =
      "\x08\x96\x01"s
      "\x12\x02hi"s
      "\x1d\x01\x00\x00\x80"s
      "\x21\x02\x00\x00\x00\x00\x00\x00\x40"s;
  WireReader reader(bytes);
  ASSERT_TRUE(reader.Next());
  EXPECT_EQ(reader.field(), 1u);
  EXPECT_TRUE(reader.is_varint());
  EXPECT_EQ(reader.number(), 150u);
  ASSERT_TRUE(reader.Next());
  EXPECT_TRUE(reader.is_bytes());
  EXPECT_EQ(reader.bytes(), "hi");
  EXPECT_EQ(reader.number(), 0u);
  ASSERT_TRUE(reader.Next());
  EXPECT_TRUE(reader.is_fixed32());
  EXPECT_EQ(reader.number(), 0x80000001u);
  EXPECT_TRUE(reader.bytes().empty());
  ASSERT_TRUE(reader.Next());
  EXPECT_TRUE(reader.is_fixed64());
  EXPECT_EQ(reader.number(), 0x4000000000000002u);
  EXPECT_FALSE(reader.Next());
  EXPECT_TRUE(reader.ok());
}

TEST(WireReaderTest, StaysFailedAfterTheFirstMalformedByte) {
  const std::string bytes = "\x0a\x05xx\x08\x01"s;
  WireReader reader(bytes);
  EXPECT_FALSE(reader.Next());
  EXPECT_FALSE(reader.ok());
  EXPECT_FALSE(reader.Next());
}

// A message of our own schemas parses exactly when its fields can be read: it has one string, so
// bytes that only a schema can refuse are not among these.
TEST(WireReaderTest, AgreesWithProtobufOnMalformedBytes) {
  const struct {
    const char* what;
    std::string bytes;
  } kCases[] = {
      {"nothing", ""},
      {"field zero", "\x02\x00"s},
      {"a zero byte", "\x00"s},
      {"wire type six", "\x0e"s},
      {"wire type seven", "\x0f\x01"s},
      {"a cut varint", "\x50\x80"s},
      {"a varint of ten bytes", "\x50\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"s},
      {"a varint of eleven bytes", "\x50\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s},
      {"a cut fixed32", "\x55\x01\x02\x03"s},
      {"a cut fixed64", "\x51\x01\x02\x03\x04\x05\x06\x07"s},
      {"a length beyond the end", "\x52\x05hell"s},
      {"a length of two gigabytes", "\x52\xff\xff\xff\xff\x07xx"s},
      {"a length of six bytes", "\x52\x81\x80\x80\x80\x80\x00x"s},
      {"a long-winded length", "\x52\x81\x80\x80\x80\x00x"s},
      {"a long-winded tag", "\xd2\x80\x80\x00\x01x"s},
      {"a tag of five bytes with bits to spare", "\xd2\x80\x80\x80\x70\x01x"s},
      {"a tag of six bytes", "\xd2\x80\x80\x80\x80\x00\x01x"s},
      {"an end without a start", "\x54"s},
      {"a group", "\x53\x08\x01\x54"s},
      {"groups in a group", "\x53\x5b\x63\x64\x5c\x52\x01x\x54"s},
      {"a group that is not closed", "\x53\x08\x01"s},
      {"a group closed by another's end", "\x53\x08\x01\x5c"s},
      {"crossed groups", "\x53\x5b\x54\x5c"s},
  };
  for (const auto& c : kCases) {
    tensorflow::serving::ModelSpec spec;
    EXPECT_EQ(ReadsAll(c.bytes), spec.ParseFromString(c.bytes)) << c.what;
  }
}

TEST(WireReaderTest, RefusesGroupsThatNestDeeperThanProtobufAllows) {
  for (const int depth : {1, 99, 100, 101, 100000}) {
    const std::string bytes = std::string(depth, '\x53') + std::string(depth, '\x54');
    tensorflow::serving::ModelSpec spec;
    EXPECT_EQ(ReadsAll(bytes), depth <= 100) << depth;
    EXPECT_EQ(spec.ParseFromString(bytes), depth <= 100) << depth;
  }
  EXPECT_FALSE(ReadsAll("\x53\x54"s, 0));
  EXPECT_FALSE(WireReader("", -1).ok());
}

TEST(WireReaderTest, AgreesWithProtobufOnRandomBytes) {
  std::mt19937 random(7);
  int accepted = 0;
  for (int i = 0; i < 200000; ++i) {
    std::string bytes(random() % 12, '\0');
    // Field 10 and above: unknown to the message, whatever the type.
    for (char& c : bytes)
      c = static_cast<char>(random() % 3 == 0 ? 0x50 + random() % 16 : random() % 4);
    if (bytes.find_first_of("\x08\x09\x0a\x0b\x0c\x0d") != std::string::npos) continue;
    tensorflow::serving::ModelSpec spec;
    const bool parses = spec.ParseFromString(bytes);
    ASSERT_EQ(ReadsAll(bytes), parses) << testing::PrintToString(bytes);
    accepted += parses;
  }
  EXPECT_GT(accepted, 1000);
}

TEST(WireWriterTest, WritesVarintsAsProtobufDoes) {
  for (int bit = 0; bit < 64; ++bit) {
    for (const uint64_t value :
         {(uint64_t{1} << bit) - 1, uint64_t{1} << bit, ~uint64_t{0} >> bit}) {
      char buffer[10];
      const char* end = WriteVarint(value, buffer);
      const auto size = static_cast<size_t>(end - buffer);
      EXPECT_EQ(size, VarintSize(value));
      EXPECT_EQ(size, google::protobuf::io::CodedOutputStream::VarintSize64(value));
      const char* at = buffer;
      uint64_t back = 0;
      ASSERT_TRUE(ReadVarint(&at, end, &back));
      EXPECT_EQ(back, value);
      EXPECT_EQ(at, end);
    }
  }
}

TEST(Utf8Test, AgreesWithProtobuf) {
  const auto protobuf_says = [](const std::string& text) {
    return google::protobuf::internal::WireFormatLite::VerifyUtf8String(
        text.data(), static_cast<int>(text.size()),
        google::protobuf::internal::WireFormatLite::PARSE, nullptr);
  };
  const struct {
    std::string text;
    bool is_valid;
  } kCases[] = {
      {"", true},
      {"plain", true},
      {"\0"s, true},
      {"\xc3\xa9t\xc3\xa9", true},
      {"\xe2\x82\xac \xf0\x9f\x98\x80", true},
      {"long enough for eight at once \xc2", false},
      {"\xc0\x80", false},
      {"\xe0\x80\x80", false},
      {"\xed\xa0\x80", false},
      {"\xed\x9f\xbf", true},
      {"\xf4\x8f\xbf\xbf", true},
      {"\xf4\x90\x80\x80", false},
      {"\xf5\x80\x80\x80", false},
      {"\x80", false},
      {"\xff", false},
      {"\xe2\x82", false},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(IsValidUtf8(c.text), c.is_valid) << testing::PrintToString(c.text);
  }
  // protobuf logs each refusal; a few hundred random ones are enough.
  std::mt19937 random(11);
  testing::internal::CaptureStderr();
  for (int i = 0; i < 3000; ++i) {
    std::string text(random() % 5, '\0');
    const char kBytes[] = "a\x80\x8f\x90\x9f\xa0\xbf\xc1\xc2\xdf\xe0\xe1\xed\xef\xf0\xf1\xf4\xf5";
    for (char& c : text) c = kBytes[random() % (sizeof(kBytes) - 1)];
    EXPECT_EQ(IsValidUtf8(text), protobuf_says(text)) << testing::PrintToString(text);
  }
  testing::internal::GetCapturedStderr();
}

TEST(Utf8Test, ReplacesWhatIsNotACharacter) {
  EXPECT_EQ(ReplaceInvalidUtf8("ok \xc3\xa9"), "ok \xc3\xa9");
  EXPECT_EQ(ReplaceInvalidUtf8("a\xff"
                               "b\xe2\x82"),
            "a\xef\xbf\xbd"
            "b\xef\xbf\xbd\xef\xbf\xbd");
}

}  // namespace
}  // namespace baton::codec::grpc
