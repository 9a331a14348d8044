// What is read of files and tensors without the runtime: files are data of whoever wrote them.
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "graph_head.h"
#include "gtest/gtest.h"
#include "model_file.h"
#include "packed_strings.h"
#include "served_signature.h"
#include "signature_metadata.h"

namespace baton::tflite_engine {
namespace {

using testing::ElementsAre;

// A model of one operator, as ModelWithOperator writes it: small enough to cut everywhere.
std::string SmallModel(ModelFile::OperatorCode code = {0, "", 1}) {
  const std::vector<char> bytes = ModelWithOperator(code);
  return {bytes.begin(), bytes.end()};
}

std::string Bytes(const ModelBytes& model) { return {model.data(), model.size()}; }

TEST(ModelFileTest, ReadsWhatIsThere) {
  const std::string bytes = SmallModel({150, "", 3});
  auto file = ReadModelFile(bytes);
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file->operator_codes.size(), 1u);
  EXPECT_EQ(file->operator_codes[0].builtin, 150);
  EXPECT_EQ(file->operator_codes[0].version, 3);
  ASSERT_EQ(file->subgraphs.size(), 1u);
  EXPECT_THAT(file->subgraphs[0].inputs, ElementsAre(0));
  EXPECT_EQ(file->subgraphs[0].tensors[0].name, "x");
  EXPECT_THAT(file->subgraphs[0].tensors[0].shape, ElementsAre(1));
}

TEST(ModelFileTest, NoCutFileIsReadPastItsEnd) {
  const std::string whole = SmallModel();
  const size_t end = whole.find_last_not_of('\0');
  for (size_t size = 0; size <= end; ++size) {
    // A block of exactly this size, for sanitizers to see its end.
    const std::vector<char> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    (void)ReadModelFile({cut.data(), cut.size()}).ok();
  }
  EXPECT_FALSE(ReadModelFile(std::string_view(whole).substr(0, end / 2)).ok());
}

TEST(ModelFileTest, NoChangedByteLeadsOutOfTheFile) {
  const std::string whole = SmallModel();
  for (size_t i = 0; i < whole.size(); ++i) {
    for (char byte : {'\0', '\x01', '\x7f', '\x80', '\xff'}) {
      std::vector<char> changed(whole.begin(), whole.end());
      changed[i] = byte;
      const std::string_view bytes(changed.data(), changed.size());
      auto file = ReadModelFile(bytes);
      if (file.ok()) (void)WithServingHead(bytes, *file, {0});
    }
  }
}

TEST(GraphHeadTest, AServedGraphHasANumberForEachOutput) {
  const std::string old = SmallModel();
  const auto old_file = ReadModelFile(old);
  auto before = ReadModelFile(old);
  const std::string bytes = Bytes(WithServingHead(old, *before, {0}));
  EXPECT_EQ(bytes.size() % 64, old.size() % 64);
  auto file = ReadModelFile(bytes);
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file->operator_codes.size(), 3u);
  EXPECT_EQ(file->operator_codes[1].builtin, 110);
  EXPECT_EQ(file->operator_codes[2].builtin, 59);
  const ModelFile::Subgraph& graph = file->subgraphs[0];
  EXPECT_EQ(graph.tensors.size(), 3u);
  EXPECT_THAT(graph.inputs, ElementsAre(0));
  EXPECT_THAT(graph.outputs, ElementsAre(2));
  EXPECT_THAT(graph.operators, ElementsAre(1u, 2u));
  ASSERT_EQ(file->signatures.size(), 1u);
  EXPECT_EQ(file->signatures[0].inputs[0].first, "x");
  EXPECT_EQ(file->signatures[0].outputs[0].second, 2u);
}

std::vector<std::string> Unpacked(std::string_view packed) {
  uint64_t bytes = 0;
  std::vector<std::string> texts;
  const int64_t count = CountStrings(packed, &bytes);
  for (int64_t i = 0; i < count; ++i) texts.emplace_back(StringAt(packed, i));
  return texts;
}

TEST(PackedStringsTest, PackingAndUnpackingAreInverse) {
  const std::vector<std::string> texts = {"one", "", std::string("\0x", 2)};
  std::vector<baton_str> views;
  for (const std::string& text : texts) views.push_back({text.data(), text.size()});
  std::vector<char> packed;
  ASSERT_TRUE(PackStrings(views.data(), views.size(), &packed));
  EXPECT_EQ(Unpacked({packed.data(), packed.size()}), texts);
  ASSERT_TRUE(PackStrings(nullptr, 0, &packed));
  EXPECT_EQ(Unpacked({packed.data(), packed.size()}), std::vector<std::string>());
}

TEST(PackedStringsTest, WhatIsTooLargeIsNotPacked) {
  const baton_str huge = {"", size_t{1} << 31};
  std::vector<char> packed;
  EXPECT_FALSE(PackStrings(&huge, 1, &packed));
  EXPECT_FALSE(PackStrings(nullptr, uint64_t{1} << 40, &packed));
}

TEST(PackedStringsTest, OtherBytesAreNoStrings) {
  const auto count = [](std::vector<int32_t> numbers, const std::string& rest = "") {
    std::string packed(numbers.size() * 4, '\0');
    std::memcpy(packed.data(), numbers.data(), packed.size());
    uint64_t bytes = 0;
    return CountStrings(packed + rest, &bytes);
  };
  EXPECT_EQ(count({1, 12, 13}, "a"), 1);
  EXPECT_EQ(count({-1}), -1);
  EXPECT_EQ(count({1}), -1);
  EXPECT_EQ(count({1, 12, 14}, "a"), -1);
  EXPECT_EQ(count({1, 13, 12}, "a"), -1);
  EXPECT_EQ(count({1, 4, 12}), -1);
  EXPECT_EQ(count({INT32_MAX, 12, 12}), -1);
}

TEST(SignatureMetadataTest, ReadsAMapOfSignatures) {
  // {"s": SignatureDef} as the flexbuffers library writes it.
  const std::string def =
      std::string("\x0a\x0c\x0a\x01x\x12\x07\x0a\x03x:0\x10\x01", 14) + "\x1a\x01m";
  std::string bytes("s\0", 2);  // the key
  bytes += static_cast<char>(def.size());
  const size_t text = bytes.size();
  bytes += def + '\0';
  bytes += '\x01';                           // the keys: one,
  bytes += static_cast<char>(bytes.size());  // as far back as the beginning
  bytes += "\x01\x01";                       // the map: its keys, one back and one byte wide,
  bytes += '\x01';                           // one value,
  bytes += static_cast<char>(bytes.size() - text);  // as far back as the text,
  bytes += static_cast<char>(5 << 2);               // which is a string
  bytes += '\x02';                                  // the root: two back,
  bytes += static_cast<char>(9 << 2);               // a map,
  bytes += '\x01';                                  // one byte wide
  auto signatures = ReadSignatureMetadata(bytes);
  ASSERT_TRUE(signatures.ok()) << signatures.status().message();
  ASSERT_EQ(signatures->size(), 1u);
  const DeclaredSignature& signature = signatures->at("s");
  EXPECT_EQ(signature.method_name, "m");
  EXPECT_EQ(signature.inputs.at("x").tensor_name, "x:0");
  EXPECT_EQ(signature.inputs.at("x").dtype, 1);
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (char byte : {'\0', '\x01', '\x7f', '\xff'}) {
      std::vector<char> changed(bytes.begin(), bytes.end());
      changed[i] = byte;
      (void)ReadSignatureMetadata({changed.data(), changed.size()}).ok();
      (void)ReadSignatureMetadata({changed.data(), i}).ok();
    }
  }
}

}  // namespace
}  // namespace baton::tflite_engine
