#include "scheduling/batch_assembly.h"

#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::scheduling {
namespace {

using tensor::DType;
using tensor::Shape;
using tensor::Tensor;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

Tensor Floats(Shape shape, std::vector<float> values) {
  return Tensor::FromValues<float>(DType::kFloat, std::move(shape), values);
}

std::vector<float> ValuesOf(const Tensor& tensor) {
  return {tensor.values<float>().begin(), tensor.values<float>().end()};
}

absl::StatusOr<Tensor> Merge(const std::vector<Tensor>& parts, MergeOptions options) {
  std::vector<const Tensor*> pointers;
  for (const Tensor& part : parts) pointers.push_back(&part);
  return MergeRows(pointers, options);
}

TEST(BatchAssemblyTest, RowsOfATensorAreAViewOfIt) {
  const Tensor whole = Floats({3, 2}, {1, 2, 3, 4, 5, 6});
  const Tensor rows = RowsOf(whole, 1, 2);
  EXPECT_EQ(rows.shape(), (Shape{2, 2}));
  EXPECT_THAT(ValuesOf(rows), ElementsAre(3, 4, 5, 6));
  EXPECT_EQ(rows.buffer().data(), whole.buffer().data() + 2 * sizeof(float));
  EXPECT_EQ(RowsOf(whole, 3, 0).shape(), (Shape{0, 2}));
}

TEST(BatchAssemblyTest, RowsOfAStringTensorKeepTheStringsAlive) {
  std::optional<Tensor> whole =
      Tensor::FromStrings({3}, std::vector<std::string_view>{"a", "bc", "d"});
  const Tensor rows = RowsOf(*whole, 1, 1);
  whole.reset();
  EXPECT_EQ(rows.strings()[0].view(), "bc");
}

struct MergeCase {
  std::string what;
  std::vector<Tensor> parts;
  int64_t rows;
  bool pad_dims;
  Shape shape;
  std::vector<float> values;
};

TEST(BatchAssemblyTest, MergesRows) {
  const MergeCase kCases[] = {
      {"one after the other", {Floats({1}, {1}), Floats({2}, {2, 3})}, 3, false, {3}, {1, 2, 3}},
      {"with their other dimensions",
       {Floats({1, 2}, {1, 2}), Floats({1, 2}, {3, 4})},
       2,
       false,
       {2, 2},
       {1, 2, 3, 4}},
      {"padded with the first row of the last part",
       {Floats({1, 2}, {1, 2}), Floats({2, 2}, {3, 4, 5, 6})},
       5,
       false,
       {5, 2},
       {1, 2, 3, 4, 5, 6, 3, 4, 3, 4}},
      {"one part alone", {Floats({1}, {7})}, 4, false, {4}, {7, 7, 7, 7}},
      {"padded with the last part that has a row",
       {Floats({2}, {1, 2}), Floats({0}, {})},
       3,
       false,
       {3},
       {1, 2, 1}},
      {"none", {Floats({0, 3}, {}), Floats({0, 3}, {})}, 0, false, {0, 3}, {}},
      {"without elements", {Floats({1, 0}, {}), Floats({1, 0}, {})}, 4, false, {4, 0}, {}},
      {"of different lengths, with the own first element",
       {Floats({1, 1}, {1}), Floats({1, 3}, {2, 3, 4})},
       2,
       true,
       {2, 3},
       {1, 1, 1, 2, 3, 4}},
      {"of different lengths in the middle",
       {Floats({1, 1, 2}, {1, 2}), Floats({1, 2, 2}, {3, 4, 5, 6})},
       2,
       true,
       {2, 2, 2},
       {1, 2, 1, 1, 3, 4, 5, 6}},
      {"of different lengths in two dimensions",
       {Floats({2, 1, 2}, {1, 2, 3, 4}), Floats({1, 2, 1}, {5, 6})},
       4,
       true,
       {4, 2, 2},
       {1, 2, 1, 1, 3, 4, 1, 1, 5, 5, 6, 5, 5, 5, 6, 5}},
      {"of no rows and another length",
       {Floats({0, 3}, {}), Floats({1, 1}, {9})},
       1,
       true,
       {1, 3},
       {9, 9, 9}},
  };
  for (const MergeCase& c : kCases) {
    const auto merged = Merge(c.parts, {.name = "x:0", .rows = c.rows, .pad_dims = c.pad_dims});
    ASSERT_TRUE(merged.ok()) << c.what << ": " << merged.status();
    EXPECT_EQ(merged->shape(), c.shape) << c.what;
    EXPECT_THAT(ValuesOf(*merged), ElementsAreArray(c.values)) << c.what;
  }
}

TEST(BatchAssemblyTest, MergedStringsAreThePartsOwn) {
  std::vector<Tensor> parts = {
      Tensor::FromStrings({1, 1}, std::vector<std::string_view>{"one"}),
      Tensor::FromStrings({1, 2}, std::vector<std::string_view>{"two", "three"})};
  const char* const three = parts[1].strings()[1].data;
  const std::weak_ptr<const void> owner = parts[0].buffer().owner();
  auto merged = Merge(parts, {.name = "x:0", .rows = 3, .pad_dims = true});
  parts.clear();
  EXPECT_FALSE(owner.expired());
  ASSERT_TRUE(merged.ok()) << merged.status();
  std::vector<std::string> texts;
  for (const tensor::StringRef& ref : merged->strings()) texts.emplace_back(ref.view());
  EXPECT_THAT(texts, ElementsAre("one", "one", "two", "three", "two", "three"));
  EXPECT_EQ(merged->strings()[3].data, three);
  merged = Tensor();
  EXPECT_TRUE(owner.expired());
}

TEST(BatchAssemblyTest, RefusesPartsThatDoNotFitTogether) {
  const std::vector<std::pair<std::vector<Tensor>, std::string>> kCases = {
      {{Floats({1, 2}, {1, 2}), Floats({1, 3}, {1, 2, 3})},
       "Tensors with name 'x:0' from different tasks have different shapes and padding is turned "
       "off. Set pad_variable_length_inputs to true, or ensure that all tensors with the same name "
       "have equal dimensions starting with the first dim."},
      {{Floats({1, 2}, {1, 2}), Floats({1}, {1})}, "different shapes and padding is turned off"},
      {{Floats({1}, {1}), Tensor::FromValues<int32_t>(DType::kInt32, {1}, std::vector<int32_t>{1})},
       "different types: float and int32"},
  };
  for (const auto& [parts, error] : kCases) {
    const absl::Status status = Merge(parts, {.name = "x:0", .rows = 2}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(base::Message(status), HasSubstr(error));
  }
  const absl::Status status =
      Merge({Floats({1, 1}, {1}), Floats({1}, {1})}, {.name = "x:0", .rows = 2, .pad_dims = true})
          .status();
  EXPECT_THAT(base::Message(status), HasSubstr("different numbers of dimensions: 2 and 1"));
}

TEST(BatchAssemblyTest, CannotPadAPartWithoutElements) {
  EXPECT_EQ(
      Merge({Floats({1, 0}, {}), Floats({1, 1}, {1})}, {.rows = 2, .pad_dims = true}).status(),
      absl::InvalidArgumentError("Got empty tensor in batch of non-empty tensors."));
}

TEST(BatchAssemblyTest, RefusesToBlowUpABatchByPadding) {
  const std::vector<float> row(1000, 1);
  const Tensor part = Floats({1, 1000}, row);
  // As long as nothing is padded the requests themselves are the limit.
  EXPECT_TRUE(Merge({part, part}, {.rows = 2, .max_padded_bytes = 100}).ok());
  EXPECT_EQ(Merge({part}, {.name = "x:0", .rows = 2, .max_padded_bytes = 100}).status(),
            absl::ResourceExhaustedError("tensor 'x:0': the padded batch would have shape [2,1000] "
                                         "and take more than 100 bytes"));
  EXPECT_TRUE(absl::IsResourceExhausted(
      Merge({part, Floats({1, 1}, {1})}, {.rows = 2, .pad_dims = true, .max_padded_bytes = 7999})
          .status()));
  EXPECT_TRUE(absl::IsResourceExhausted(
      Merge({part}, {.rows = std::numeric_limits<int64_t>::max()}).status()));
}

TEST(BatchAssemblyTest, SaysWhatCanBePadded) {
  const Tensor scalar = Floats({}, {1});
  const Tensor six = Floats({1, 1, 1, 1, 1, 1}, {1});
  const Tensor seven = Floats({1, 1, 1, 1, 1, 1, 1}, {1});
  const Tensor int4 = Tensor::FromValues<int8_t>(DType::kInt4, {1}, std::vector<int8_t>{1});
  EXPECT_TRUE(CheckCanPad(six).ok());
  EXPECT_TRUE(CheckCanPad(Tensor::FromStrings({1}, std::vector<std::string_view>{""})).ok());
  for (const Tensor* part : {&scalar, &seven}) {
    EXPECT_EQ(CheckCanPad(*part),
              absl::InvalidArgumentError("Only tensors with rank from 1 to 6 can be padded."));
  }
  EXPECT_EQ(CheckCanPad(int4), absl::InvalidArgumentError("Unsupported type"));
}

}  // namespace
}  // namespace baton::scheduling
