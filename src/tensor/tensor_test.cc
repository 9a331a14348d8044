#include "tensor/tensor.h"

#include <array>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::tensor {
namespace {

TEST(DTypeTest, NamesAreThoseOfErrorTexts) {
  EXPECT_EQ(Name(DType::kFloat), "float");
  EXPECT_EQ(Name(DType::kHalf), "half");
  EXPECT_EQ(Name(static_cast<DType>(101)), "float_ref");
  EXPECT_EQ(Name(static_cast<DType>(999)), "invalid");
  EXPECT_EQ(Name(static_cast<DType>(-1)), "invalid");
  EXPECT_EQ(EnumName(DType::kUint2), "DT_UINT2");
}

TEST(DTypeTest, TypesWithoutHostLayoutHaveNoSize) {
  EXPECT_EQ(ByteSize(DType::kResource), 0u);
  EXPECT_EQ(ByteSize(static_cast<DType>(101)), 0u);
  EXPECT_EQ(ByteSize(DType::kComplex128), 16u);
  EXPECT_EQ(ByteSize(DType::kInt4), 1u);
}

TEST(ShapeTest, NumElementsIsCheckedArithmetic) {
  EXPECT_EQ(Shape({}).NumElements(), 1);
  EXPECT_EQ(Shape({2, 0, 3}).NumElements(), 0);
  EXPECT_EQ(Shape({-1}).NumElements(), std::nullopt);
  EXPECT_EQ(Shape({int64_t{1} << 32, int64_t{1} << 32}).NumElements(), std::nullopt);
  EXPECT_EQ(Shape({int64_t{1} << 62, 4, 0}).NumElements(), std::nullopt);
}

TEST(TensorTest, AllocateRefusesWhatOverflowsInBytes) {
  EXPECT_EQ(Tensor::Allocate(DType::kDouble, Shape({int64_t{1} << 61})).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Tensor::Allocate(DType::kResource, Shape({1})).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(TensorTest, StringsAreCopiedBehindTheirViews) {
  const std::array<std::string_view, 3> texts = {"a", "", "long enough"};
  Tensor tensor = Tensor::FromStrings(Shape({3}), texts);
  Tensor copy = tensor;
  tensor = Tensor();
  EXPECT_EQ(copy.strings()[0].view(), "a");
  EXPECT_EQ(copy.strings()[1].view(), "");
  EXPECT_EQ(copy.strings()[2].view(), "long enough");
}

TEST(TensorTest, ValuesShareTheBuffer) {
  const std::array<float, 2> values = {1.5f, 2.5f};
  Tensor tensor = Tensor::FromValues<float>(DType::kFloat, Shape({2}), values);
  Tensor copy = tensor;
  EXPECT_EQ(copy.buffer().data(), tensor.buffer().data());
  EXPECT_EQ(copy.values<float>()[1], 2.5f);
}

}  // namespace
}  // namespace baton::tensor
