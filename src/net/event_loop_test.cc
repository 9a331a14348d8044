#include "net/event_loop.h"

#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "net/connection.h"
#include "net/exchange.h"
#include "net/testing_host.h"

namespace baton::net {
namespace {

using ::testing::ElementsAre;

class Pair {
 public:
  Pair() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds_), 0); }
  ~Pair() {
    close(fds_[0]);
    close(fds_[1]);
  }
  int a() const { return fds_[0]; }
  int b() const { return fds_[1]; }

 private:
  int fds_[2];
};

struct CallOnReady : FdHandler {
  explicit CallOnReady(std::function<void(uint32_t)> work) : work(std::move(work)) {}
  void OnReady(uint32_t events) override { work(events); }
  std::function<void(uint32_t)> work;
};

TEST(EventLoopTest, PostedWorkRunsInOrderOnTheLoopThread) {
  EventLoop loop(0);
  loop.Start();
  std::vector<int> order;
  std::promise<void> done;
  loop.Post([&] { order.push_back(loop.IsInLoopThread() ? 1 : -1); });
  loop.Post([&] {
    order.push_back(2);
    loop.Post([&] { done.set_value(); });
  });
  done.get_future().wait();
  EXPECT_FALSE(loop.IsInLoopThread());
  loop.Stop();
  EXPECT_THAT(order, ElementsAre(1, 2));
}

TEST(EventLoopTest, StopRunsWhatWasPostedBeforeAndDestroysWhatComesAfter) {
  EventLoop loop(0);
  loop.Start();
  int ran = 0;
  for (int i = 0; i < 100; ++i) {
    loop.Post([&] { ++ran; });
  }
  loop.Stop();
  EXPECT_EQ(ran, 100);
  auto held = std::make_shared<int>(0);
  loop.Post([held, &ran] { ++ran; });
  EXPECT_EQ(ran, 100);
  EXPECT_EQ(held.use_count(), 1);
}

TEST(EventLoopTest, EveryPostOfManyThreadsArrives) {
  EventLoop loop(0);
  loop.Start();
  int ran = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        loop.Post([&] { ++ran; });
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  // Nothing but the posts wakes this loop: a lost wake-up would hang here.
  std::promise<void> last;
  loop.Post([&] { last.set_value(); });
  last.get_future().wait();
  loop.Stop();
  EXPECT_EQ(ran, 8000);
}

TEST(EventLoopTest, TimersFireInOrderOfTimeAndNotWhenCancelled) {
  ManualClock clock;
  EventLoop loop(0, clock);
  std::string fired;
  const absl::Time start = clock.Now();
  loop.RunAt(start + absl::Seconds(2), [&] { fired += "b"; });
  loop.RunAt(start + absl::Seconds(1), [&] { fired += "a"; });
  const auto cancelled = loop.RunAt(start + absl::Seconds(1), [&] { fired += "x"; });
  loop.RunAt(start + absl::Seconds(3), [&] { fired += "c"; });
  loop.Cancel(cancelled);
  loop.Cancel(cancelled);
  loop.RunOnce(absl::ZeroDuration());
  EXPECT_EQ(fired, "");
  clock.Advance(absl::Seconds(2));
  loop.RunOnce(absl::InfiniteDuration());
  EXPECT_EQ(fired, "ab");
  EXPECT_EQ(loop.now(), start + absl::Seconds(2));
  clock.Advance(absl::Seconds(5));
  loop.RunOnce(absl::InfiniteDuration());
  EXPECT_EQ(fired, "abc");
}

TEST(EventLoopTest, ATimerOnTheRealClockWakesASleepingLoop) {
  EventLoop loop(0);
  loop.Start();
  std::promise<void> fired;
  loop.Post([&] { loop.RunAt(loop.now() + absl::Milliseconds(5), [&] { fired.set_value(); }); });
  fired.get_future().wait();
  loop.Stop();
}

TEST(EventLoopTest, TurnEndHooksRunAfterEventsAndTimersEvenWhenAddedByHooks) {
  ManualClock clock;
  EventLoop loop(0, clock);
  std::string order;
  loop.AtTurnEnd([&] {
    order += "1";
    loop.AtTurnEnd([&] { order += "3"; });
  });
  loop.AtTurnEnd([&] { order += "2"; });
  loop.Post([&] { order += "p"; });
  loop.RunAt(clock.Now(), [&] { order += "t"; });
  loop.RunOnce(absl::ZeroDuration());
  EXPECT_EQ(order, "pt123");
  loop.RunOnce(absl::ZeroDuration());
  EXPECT_EQ(order, "pt123");
}

TEST(EventLoopTest, RemoveForgetsEventsAlreadyFetchedEvenWhenTheDescriptorIsUsedAgain) {
  ManualClock clock;
  EventLoop loop(0, clock);
  Pair one;
  Pair two;
  int calls = 0;
  CallOnReady stranger([&](uint32_t) { ADD_FAILURE() << "got a former owner's event"; });
  // Whichever is called first takes the other's descriptor away and gives it to a stranger.
  auto steal = [&](int fd) {
    ++calls;
    loop.Remove(fd);
    char byte;
    EXPECT_EQ(read(fd, &byte, 1), 1);
    EXPECT_TRUE(loop.Add(fd, EPOLLIN, &stranger));
  };
  CallOnReady first([&](uint32_t) { steal(two.a()); });
  CallOnReady second([&](uint32_t) { steal(one.a()); });
  ASSERT_TRUE(loop.Add(one.a(), EPOLLIN, &first));
  ASSERT_TRUE(loop.Add(two.a(), EPOLLIN, &second));
  ASSERT_EQ(write(one.b(), "x", 1), 1);
  ASSERT_EQ(write(two.b(), "x", 1), 1);
  loop.RunOnce(absl::InfiniteDuration());
  EXPECT_EQ(calls, 1);
  loop.Remove(one.a());
  loop.Remove(two.a());
}

TEST(OutputQueueTest, KeepsOrderOverCopiedAndSharedPieces) {
  OutputQueue queue;
  std::string expected;
  for (int i = 0; i < 2000; ++i) {
    std::string small(static_cast<size_t>(i % 97), static_cast<char>('a' + i % 26));
    queue.Append(small);
    expected += small;
    if (i % 10 == 0) {
      std::string large(OutputQueue::kCopyBelow + static_cast<size_t>(i), 'L');
      queue.Append(base::Buffer::Copy(large));
      expected += large;
    }
  }
  ASSERT_EQ(queue.bytes(), expected.size());
  Pair pair;
  std::string got;
  std::vector<char> block(100'000);
  // The socket takes a part at a time; the rest waits.
  while (got.size() < expected.size()) {
    ASSERT_TRUE(queue.WriteTo(pair.a()));
    const ssize_t n = read(pair.b(), block.data(), block.size());
    ASSERT_GT(n, 0);
    got.append(block.data(), static_cast<size_t>(n));
  }
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(got, expected);
}

TEST(OutputQueueTest, SharesLargeBuffersAndTakesAllAsText) {
  OutputQueue queue;
  queue.Append("head ");
  base::Buffer large = base::Buffer::FromString(std::string(OutputQueue::kCopyBelow, 'b'));
  queue.Append(large);
  EXPECT_GT(large.owner().use_count(), 1);
  queue.Append(" tail");
  EXPECT_EQ(queue.TakeAll(), "head " + std::string(OutputQueue::kCopyBelow, 'b') + " tail");
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.TakeAll(), "");
}

TEST(OutputQueueTest, APeerThatIsGoneIsAnErrorAndNotASignal) {
  Pair pair;
  shutdown(pair.a(), SHUT_WR);
  OutputQueue queue;
  queue.Append("x");
  EXPECT_FALSE(queue.WriteTo(pair.a()));
}

TEST(HeadersTest, FindIgnoresCaseAndGivesTheFirst) {
  Headers headers;
  headers.Add("Content-Type", "a");
  headers.Add("content-type", "b");
  ASSERT_NE(headers.Find("CONTENT-TYPE"), nullptr);
  EXPECT_EQ(*headers.Find("CONTENT-TYPE"), "a");
  EXPECT_EQ(headers.Find("Content-Typ"), nullptr);
  EXPECT_EQ(headers.Find(""), nullptr);
}

}  // namespace
}  // namespace baton::net
