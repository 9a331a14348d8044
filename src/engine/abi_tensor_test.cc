#include "engine/abi_tensor.h"

#include <array>
#include <cstdint>
#include <limits>
#include <string>

#include "base/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::engine {
namespace {

using tensor::DType;
using tensor::Shape;
using tensor::Tensor;
using testing::HasSubstr;

alignas(64) float floats[6] = {1, 2, 3, 4, 5, 6};
const int64_t dims23[] = {2, 3};

baton_tensor Good() {
  baton_tensor t = {};
  t.struct_size = sizeof(t);
  t.dtype = 1;
  t.rank = 2;
  t.dims = dims23;
  t.data = floats;
  t.bytes = sizeof(floats);
  return t;
}

TEST(AbiTensorTest, ATensorAndItsDescriptorShareMemory) {
  const absl::StatusOr<Tensor> tensor = FromAbi(Good(), nullptr);
  ASSERT_TRUE(tensor.ok()) << tensor.status();
  EXPECT_EQ(tensor->buffer().data(), reinterpret_cast<const char*>(floats));
  EXPECT_EQ(tensor->shape(), Shape({2, 3}));
  const baton_tensor back = ToAbi(*tensor);
  EXPECT_EQ(back.data, floats);
  EXPECT_EQ(back.bytes, sizeof(floats));
  EXPECT_EQ(back.rank, 2u);
  EXPECT_EQ(back.dims[1], 3);
  EXPECT_EQ(back.dtype, 1);
  EXPECT_EQ(back.release, nullptr);
}

TEST(AbiTensorTest, ScalarsAndEmptyTensorsNeedNoPointers) {
  baton_tensor scalar = Good();
  scalar.rank = 0;
  scalar.dims = nullptr;
  scalar.bytes = 4;
  EXPECT_TRUE(FromAbi(scalar, nullptr).ok());
  const int64_t zero[] = {0};
  baton_tensor empty = Good();
  empty.rank = 1;
  empty.dims = zero;
  empty.data = nullptr;
  empty.bytes = 0;
  EXPECT_TRUE(FromAbi(empty, nullptr).ok());
}

TEST(AbiTensorTest, StringsCrossWithoutAConversion) {
  const std::array<std::string_view, 2> texts = {"ab", ""};
  const Tensor tensor = Tensor::FromStrings(Shape({2}), texts);
  const baton_tensor abi = ToAbi(tensor);
  const auto* strings = static_cast<const baton_str*>(abi.data);
  EXPECT_EQ(std::string(strings[0].data, strings[0].size), "ab");
  EXPECT_EQ(strings[1].size, 0u);
  const absl::StatusOr<Tensor> back = FromAbi(abi, tensor.buffer().owner());
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->strings()[0].view(), "ab");
}

TEST(AbiTensorTest, HostileDescriptorsAreErrorsNotCrashes) {
  constexpr int64_t kHuge = int64_t{1} << 62;
  static const int64_t negative[] = {-2, -3};
  static const int64_t overflow[] = {kHuge, 8};
  static const int64_t large[] = {kHuge, 1};
  static const int64_t hidden[] = {kHuge, 8, 0};
  static const baton_str no_bytes[] = {{nullptr, 5}};
  static const baton_str endless[] = {{"x", std::numeric_limits<size_t>::max()}};
  static const int64_t one[] = {1};
  struct Case {
    const char* name;
    void (*spoil)(baton_tensor&);
    const char* why;
  };
  const Case cases[] = {
      {"unknown type", [](baton_tensor& t) { t.dtype = 999; }, "no memory layout"},
      {"no type", [](baton_tensor& t) { t.dtype = 0; }, "no memory layout"},
      {"negative type", [](baton_tensor& t) { t.dtype = INT32_MIN; }, "no memory layout"},
      {"resource", [](baton_tensor& t) { t.dtype = 20; }, "no memory layout"},
      {"reference", [](baton_tensor& t) { t.dtype = 101; }, "no memory layout"},
      {"memory kind", [](baton_tensor& t) { t.memory = 7; }, "memory kind 7"},
      {"rank", [](baton_tensor& t) { t.rank = UINT32_MAX; }, "rank 4294967295"},
      {"no dims", [](baton_tensor& t) { t.dims = nullptr; }, "no dimensions"},
      {"negative dims", [](baton_tensor& t) { t.dims = negative; }, "[-2,-3] is negative"},
      {"overflow", [](baton_tensor& t) { t.dims = overflow; }, "too large"},
      {"too many bytes", [](baton_tensor& t) { t.dims = large; }, "too large"},
      {"zero hides an overflow", [](baton_tensor& t) { t.dims = hidden, t.rank = 3, t.bytes = 0; },
       "too large"},
      {"too few bytes", [](baton_tensor& t) { t.bytes = 20; }, "takes 24 bytes, not 20"},
      {"too many bytes said", [](baton_tensor& t) { t.bytes = UINT64_MAX; }, "takes 24 bytes"},
      {"no data", [](baton_tensor& t) { t.data = nullptr; }, "no data"},
      {"misaligned", [](baton_tensor& t) { t.data = reinterpret_cast<const char*>(floats) + 1; },
       "aligned"},
      {"string without bytes",
       [](baton_tensor& t) {
         t.dtype = 7, t.rank = 1, t.dims = one, t.data = no_bytes, t.bytes = sizeof(no_bytes);
       },
       "string 0"},
      {"endless string",
       [](baton_tensor& t) {
         t.dtype = 7, t.rank = 1, t.dims = one, t.data = endless, t.bytes = sizeof(endless);
       },
       "address space"},
  };
  for (const Case& c : cases) {
    baton_tensor descriptor = Good();
    c.spoil(descriptor);
    const absl::Status status = FromAbi(descriptor, nullptr).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << c.name;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.why)) << c.name;
  }
}

TEST(RunOutputsTest, ReleasesEveryFilledDescriptorOnceWhenTheLastOutputIsGone) {
  int released = 0;
  auto memory = std::make_shared<RunOutputs>(3);
  for (int i : {0, 2}) {  // the engine left output 1 alone
    baton_tensor& output = memory->descriptors()[i];
    output = Good();
    output.release_context = &released;
    output.release = [](void* context) { ++*static_cast<int*>(context); };
  }
  std::vector<Tensor> outputs = {*FromAbi(memory->view()[0], memory)};
  memory.reset();
  EXPECT_EQ(released, 0);
  std::vector<Tensor> copies = outputs;
  outputs.clear();
  EXPECT_EQ(released, 0);
  copies.clear();
  EXPECT_EQ(released, 2);
}

TEST(RunOutputsTest, InputsOutliveTheRunAsLongAsItsOutputs) {
  auto owner = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = owner;
  auto memory = std::make_shared<RunOutputs>(1);
  memory->KeepInput(Tensor::FromBuffer(
      DType::kFloat, Shape({6}), base::Buffer::Wrap(floats, sizeof(floats), std::move(owner))));
  memory->descriptors()[0] = Good();
  std::vector<Tensor> outputs = {*FromAbi(memory->view()[0], memory)};
  memory.reset();
  EXPECT_FALSE(watch.expired());
  outputs.clear();
  EXPECT_TRUE(watch.expired());
}

}  // namespace
}  // namespace baton::engine
