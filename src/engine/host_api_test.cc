#include "engine/host_api.h"

#include <cstdint>
#include <cstring>

#include "base/buffer.h"
#include "gtest/gtest.h"

namespace baton::engine {
namespace {

TEST(HostApiTest, StatusKeepsCodeAndText) {
  const char text[] = "no\0t a C string";
  const absl::Status status = TakeStatus(HostApi()->status_new(5, text, sizeof(text) - 1));
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message().size(), sizeof(text) - 1);
  EXPECT_TRUE(TakeStatus(nullptr).ok());
}

TEST(HostApiTest, AnErrorIsNeverOkWhateverItsCode) {
  for (int32_t code : {0, -1, 17, INT32_MAX, INT32_MIN}) {
    EXPECT_EQ(TakeStatus(HostApi()->status_new(code, nullptr, 0)).code(),
              absl::StatusCode::kUnknown)
        << code;
  }
}

TEST(HostApiTest, BuffersAreAlignedAndComeFromThePool) {
  for (size_t bytes : {size_t{0}, size_t{1}, size_t{4096}, size_t{1} << 20}) {
    void* data = HostApi()->buffer_alloc(bytes);
    ASSERT_NE(data, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % 64, 0u);
    std::memset(data, 1, bytes);
    HostApi()->buffer_free(data);
  }
  EXPECT_GE(base::Buffer::PooledBytes(), size_t{1} << 20);
  HostApi()->buffer_free(nullptr);
}

TEST(HostApiTest, MemoryThatDoesNotExistIsNull) {
  EXPECT_EQ(HostApi()->buffer_alloc(SIZE_MAX), nullptr);
}

}  // namespace
}  // namespace baton::engine
