#include "service/session_tensors.h"

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::service {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

engine::SignatureTable Signatures() {
  const auto signature = [](const char* name, const char* input, const char* output) {
    engine::Signature made;
    made.name = name;
    made.inputs.emplace_back().name = "x";
    made.inputs[0].tensor_name = input;
    made.outputs.emplace_back().name = "y";
    made.outputs[0].tensor_name = output;
    return made;
  };
  return engine::SignatureTable(
      {signature("a", "in:0", "sum:0"), signature("b", "other:0", "split:1")});
}

using Names = std::vector<std::string_view>;

TEST(SessionTensorsTest, FindsGraphNamesInAnySignature) {
  const engine::SignatureTable signatures = Signatures();
  const auto feeds = FindFeeds(signatures, nullptr, Names{"other:0", "in"});
  ASSERT_TRUE(feeds.ok());
  EXPECT_THAT(feeds->signatures, ElementsAre(&signatures.all()[1], &signatures.all()[0]));
  EXPECT_THAT(feeds->ports, ElementsAre(0, 0));
  const auto fetches = FindFetches(signatures, nullptr, Names{"split:1", "sum", "sum:0"});
  ASSERT_TRUE(fetches.ok());
  EXPECT_THAT(fetches->signatures,
              ElementsAre(&signatures.all()[1], &signatures.all()[0], &signatures.all()[0]));
}

TEST(SessionTensorsTest, AliasesAreKeysOfOneSignature) {
  const engine::SignatureTable signatures = Signatures();
  const engine::Signature* b = signatures.Find("b");
  const auto fetches = FindFetches(signatures, b, Names{"y"});
  ASSERT_TRUE(fetches.ok());
  EXPECT_THAT(fetches->signatures, ElementsAre(b));
  EXPECT_FALSE(FindFetches(signatures, b, Names{"split:1"}).ok());
}

TEST(SessionTensorsTest, WhatNoSignatureDeclaresIsOutOfReach) {
  const engine::SignatureTable signatures = Signatures();
  for (const char* name : {"weights:0", "in:1", "sum:0", "", "in:0:0"}) {
    const auto feeds = FindFeeds(signatures, nullptr, Names{name});
    EXPECT_EQ(feeds.status().code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(base::Message(feeds.status()), HasSubstr(name));
  }
  EXPECT_FALSE(FindFetches(signatures, nullptr, Names{"split:0"}).ok());
  EXPECT_FALSE(FindFetches(engine::SignatureTable(), nullptr, Names{"sum:0"}).ok());
}

TEST(SessionTensorsTest, ATensorIsFedOnce) {
  EXPECT_THAT(base::Message(FindFeeds(Signatures(), nullptr, Names{"in:0", "in"}).status()),
              HasSubstr("fed twice"));
}

}  // namespace
}  // namespace baton::service
