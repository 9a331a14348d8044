#include <atomic>
#include <thread>

#include "absl/synchronization/notification.h"
#include "base/buffer.h"
#include "base/executor.h"
#include "base/hot_swap.h"
#include "base/json_escape.h"
#include "base/log.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::base {
namespace {

TEST(BufferTest, AllocatedMemoryIsAlignedAtEverySize) {
  for (size_t bytes : {1, 63, 64, 4095, 4096, 4097, 100000, (64 << 20) + 1}) {
    Buffer buffer = Buffer::Allocate(bytes);
    EXPECT_EQ(buffer.size(), bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % Buffer::kAlignment, 0u) << bytes;
    buffer.mutable_data()[bytes - 1] = 1;
  }
}

TEST(BufferTest, BlockReturnsToPoolAndIsUsedAgain) {
  Buffer::TrimPool();
  const char* first;
  {
    Buffer buffer = Buffer::Allocate(5000);
    first = buffer.data();
    EXPECT_EQ(Buffer::PooledBytes(), 0u);
  }
  EXPECT_EQ(Buffer::PooledBytes(), 8192u);
  Buffer again = Buffer::Allocate(8192);
  EXPECT_EQ(again.data(), first);
  EXPECT_EQ(Buffer::PooledBytes(), 0u);
}

TEST(BufferTest, SliceKeepsTheWholeAlive) {
  Buffer slice;
  { slice = Buffer::FromString("hello world").Slice(6, 5); }
  EXPECT_EQ(slice.view(), "world");
}

TEST(HotSwapTest, ReaderSeesWhatWasPublishedBeforeItStarted) {
  HotSwap<int> value([] { return std::make_shared<const int>(1); });
  EXPECT_EQ(*value.Load(), 1);
  value.Publish([] { return std::make_shared<const int>(2); });
  std::thread reader([&] { EXPECT_EQ(*value.Load(), 2); });
  reader.join();
}

TEST(HotSwapTest, OldValueLivesUntilItsLastReader) {
  auto alive = std::make_shared<std::atomic<int>>(0);
  struct Value {
    std::shared_ptr<std::atomic<int>> alive;
    ~Value() { --*alive; }
  };
  auto make = [&] {
    ++*alive;
    return std::shared_ptr<const Value>(new Value{alive});
  };
  HotSwap<Value> swap(make);
  auto held = swap.Load();
  swap.Publish(make);
  EXPECT_EQ(*alive, static_cast<int>(HotSwap<Value>::kStripes) + 1);
  held.reset();
  EXPECT_EQ(*alive, static_cast<int>(HotSwap<Value>::kStripes));
}

TEST(HotSwapTest, ManyReadersWhileOneWriterPublishes) {
  HotSwap<int> value([] { return std::make_shared<const int>(0); });
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      int last = 0;
      while (!stop) {
        const int now = *value.Load();
        EXPECT_GE(now, last);
        last = now;
      }
    });
  }
  for (int i = 1; i <= 1000; ++i) value.Publish([i] { return std::make_shared<const int>(i); });
  stop = true;
  for (auto& reader : readers) reader.join();
}

TEST(ThreadPoolTest, DestructionRunsWhatIsQueued) {
  std::atomic<int> ran{0};
  {
    ThreadPool pool({.name = "test", .threads = 2, .nice = 5});
    for (int i = 0; i < 100; ++i) pool.Schedule([&] { ++ran; });
  }
  EXPECT_EQ(ran, 100);
}

TEST(LogTest, TextLineHasTensorFlowLayout) {
  EXPECT_THAT(FormatLogLine(LogFormat::kText, Severity::kWarning, "hello", {{"k", "v"}}, 1234567,
                            "/x/src/net/listener.cc", 12),
              testing::MatchesRegex(
                  "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}\\.234567: W net/listener.cc:12\\] hello"));
}

TEST(LogTest, TextCannotBeginALineOfItsOwn) {
  const std::string line =
      FormatLogLine(LogFormat::kText, Severity::kInfo, "model a\nb\r\x1b[2J", {}, 0, "f.cc", 1);
  EXPECT_THAT(line, testing::EndsWith("f.cc:1] model a\\nb??[2J"));
}

TEST(LogTest, JsonLineEscapesTextAndCarriesFields) {
  EXPECT_EQ(FormatLogLine(LogFormat::kJson, Severity::kError, "a \"b\"\n", {{"model", "m\\1"}},
                          1000001, "src/net/x.cc", 3),
            "{\"time\":\"1970-01-01T00:00:01.000001Z\",\"severity\":\"error\",\"where\":\"net/"
            "x.cc:3\",\"message\":\"a \\\"b\\\"\\n\",\"model\":\"m\\\\1\"}");
}

TEST(JsonEscapeTest, ControlCharactersGetUpperCaseHex) {
  std::string out;
  AppendJsonEscaped(std::string_view("\x1f\x00/\xc3\xa9", 5), out);
  EXPECT_EQ(out, "\\u001F\\u0000/\xc3\xa9");
}

}  // namespace
}  // namespace baton::base
