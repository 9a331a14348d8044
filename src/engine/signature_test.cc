#include "engine/signature.h"

#include "gtest/gtest.h"

namespace baton::engine {
namespace {

Port NamedPort(std::string name) {
  Port port;
  port.name = std::move(name);
  return port;
}

Signature NamedSignature(std::string name) {
  Signature signature;
  signature.name = std::move(name);
  signature.inputs = {NamedPort("z"), NamedPort("a"), NamedPort("m")};
  signature.outputs = {NamedPort("y"), NamedPort("b")};
  return signature;
}

TEST(SignatureTableTest, SortsAndNumbersSignaturesAndPorts) {
  const SignatureTable table({NamedSignature("serving_default"), NamedSignature("classify")});
  ASSERT_EQ(table.all().size(), 2u);
  EXPECT_EQ(table.all()[0].name, "classify");
  EXPECT_EQ(table.all()[1].index, 1u);
  EXPECT_EQ(table.all()[0].inputs[0].name, "a");
  EXPECT_EQ(table.all()[0].FindInput("z"), 2u);
  EXPECT_EQ(table.all()[0].FindOutput("b"), 0u);
  EXPECT_EQ(table.all()[0].FindInput("b"), std::nullopt);
  EXPECT_EQ(table.all()[0].FindInput(""), std::nullopt);
}

TEST(SignatureTableTest, AnEmptyNameMeansServingDefault) {
  const SignatureTable table({NamedSignature("serving_default"), NamedSignature("classify")});
  EXPECT_EQ(table.Find(""), table.Find("serving_default"));
  EXPECT_EQ(table.Find("")->name, "serving_default");
  EXPECT_EQ(table.Find("classify")->index, 0u);
  EXPECT_EQ(table.Find("other"), nullptr);
}

TEST(SignatureTableTest, AModelWithoutSignaturesFindsNothing) {
  EXPECT_EQ(SignatureTable().Find(""), nullptr);
  EXPECT_EQ(SignatureTable().Find("x"), nullptr);
}

}  // namespace
}  // namespace baton::engine
