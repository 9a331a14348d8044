#include <array>
#include <random>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "net/connection.h"

namespace baton::net {
namespace {

// Large buffers by reference, small ones gathered, in any mixture.
std::string Fill(OutputQueue& queue, std::minstd_rand& random) {
  std::string all;
  const size_t sizes[] = {1, 9, 100, 5000, OutputQueue::kCopyBelow, 20'000, 70'000};
  for (int i = 0; i < 40; ++i) {
    std::string piece(sizes[random() % std::size(sizes)], '\0');
    for (char& c : piece) c = static_cast<char>(random());
    all += piece;
    if (random() % 2 == 0) {
      queue.Append(piece);
    } else {
      queue.Append(base::Buffer::FromString(std::move(piece)));
    }
  }
  return all;
}

TEST(OutputQueueTest, FrontAndDropGoThroughAllBytesInOrder) {
  std::minstd_rand random(1);
  std::array<char, 16384> scratch;
  for (int round = 0; round < 20; ++round) {
    OutputQueue queue;
    const std::string all = Fill(queue, random);
    std::string seen;
    while (!queue.empty()) {
      const std::string_view front = queue.Front(scratch);
      ASSERT_EQ(front.size(), std::min(scratch.size(), queue.bytes()));
      // Not always all of it.
      const size_t taken = 1 + random() % front.size();
      seen += front.substr(0, taken);
      queue.Drop(taken);
    }
    EXPECT_TRUE(seen == all);
  }
}

TEST(OutputQueueTest, WhatLiesTogetherIsNotCopied) {
  std::array<char, 16384> scratch;
  OutputQueue queue;
  const base::Buffer large = base::Buffer::FromString(std::string(20'000, 'x'));
  queue.Append(large);
  EXPECT_EQ(queue.Front(scratch).data(), large.data());
  queue.Append("behind it");
  EXPECT_EQ(queue.Front(scratch).data(), large.data());
  queue.Drop(10'000);
  EXPECT_EQ(queue.Front(scratch).data(), scratch.data()) << "too little of it is left";
  queue.Drop(10'000);
  EXPECT_EQ(queue.Front(scratch), "behind it");
}

}  // namespace
}  // namespace baton::net
