#include "block_cache.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace baton::tf_engine {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

TEST(BlockCacheTest, AFreedBlockServesTheNextOneOfItsSize) {
  BlockCache cache(64 * kMiB);
  void* first = cache.Allocate(5 * kMiB);
  std::memset(first, 1, 5 * kMiB);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 4096, 0u);
  EXPECT_TRUE(cache.Free(first));
  EXPECT_EQ(cache.kept_bytes(), 5 * kMiB);
  EXPECT_EQ(cache.Allocate(5 * kMiB - 100), first);
  EXPECT_EQ(cache.kept_bytes(), 0u);
  EXPECT_EQ(cache.used_bytes(), 5 * kMiB);
  EXPECT_TRUE(cache.Free(first));
  EXPECT_EQ(cache.used_bytes(), 0u);
}

TEST(BlockCacheTest, KeepsNoMoreThanItsLimitAndNothingAfterTrim) {
  BlockCache cache(8 * kMiB);
  void* a = cache.Allocate(6 * kMiB);
  void* b = cache.Allocate(6 * kMiB);
  EXPECT_TRUE(cache.Free(a));
  EXPECT_TRUE(cache.Free(b));
  EXPECT_EQ(cache.kept_bytes(), 6 * kMiB);
  cache.Trim();
  EXPECT_EQ(cache.kept_bytes(), 0u);
}

TEST(BlockCacheTest, LeavesMemoryOfOthersAlone) {
  BlockCache cache(kMiB);
  int here = 0;
  EXPECT_FALSE(cache.Free(&here));
  EXPECT_FALSE(cache.Free(nullptr));
  void* aligned = std::aligned_alloc(4096, 8192);
  EXPECT_FALSE(cache.Free(aligned));
  std::free(aligned);
}

TEST(BlockCacheTest, MemoryThatDoesNotExistIsNull) {
  BlockCache cache(kMiB);
  EXPECT_EQ(cache.Allocate(SIZE_MAX), nullptr);
  EXPECT_EQ(cache.Allocate(size_t{1} << 60), nullptr);
}

TEST(BlockCacheTest, ABlockOfAByteIsABlock) {
  BlockCache cache(kMiB);
  void* block = cache.Allocate(1);
  ASSERT_NE(block, nullptr);
  EXPECT_TRUE(cache.Free(block));
}

TEST(BlockCacheTest, ThreadsShareItSafely) {
  BlockCache cache(16 * kMiB);
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, t] {
      for (int i = 0; i < 200; ++i) {
        auto* block = static_cast<char*>(cache.Allocate((1 + (i + t) % 3) * kMiB));
        block[0] = static_cast<char>(t);
        if (i % 50 == 0) cache.Trim();
        EXPECT_EQ(block[0], static_cast<char>(t));
        EXPECT_TRUE(cache.Free(block));
      }
    });
  }
}

}  // namespace
}  // namespace baton::tf_engine
