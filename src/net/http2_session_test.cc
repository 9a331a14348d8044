#include "net/http2_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "net/http2_test_client.h"
#include "net/http2_test_fixture.h"
#include "net/testing_host.h"

namespace baton::net {

bool operator==(const Header& a, const Header& b) { return a.name == b.name && a.value == b.value; }
void PrintTo(const Header& header, std::ostream* out) {
  *out << header.name << ": " << header.value;
}

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

TEST_F(Http2SessionTest, AnnouncesItsLimits) {
  EXPECT_TRUE(host_.TakeWantWrite());  // the settings are the server's preface
  ASSERT_TRUE(Talk());
  const auto setting = [&](nghttp2_settings_id id) {
    return nghttp2_session_get_remote_settings(client_.session(), id);
  };
  EXPECT_EQ(setting(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS), 1024u);
  EXPECT_EQ(setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE), 8u << 20);
  EXPECT_EQ(setting(NGHTTP2_SETTINGS_MAX_FRAME_SIZE), 1u << 20);
  EXPECT_EQ(setting(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE), 1u << 20);
  EXPECT_EQ(nghttp2_session_get_remote_window_size(client_.session()), 64 << 20);
}

TEST_F(Http2SessionTest, GivesTheWholeRequestToTheHandler) {
  client_.Request("hello");
  ASSERT_TRUE(Talk());
  ASSERT_THAT(handler().exchanges, SizeIs(1));
  const Request& request = last()->request();
  EXPECT_EQ(request.protocol, Protocol::kHttp2);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/a.B/C");
  EXPECT_EQ(request.body.view(), "hello");
  EXPECT_THAT(request.headers.fields(),
              ElementsAre(Header{"content-type", "application/grpc"}, Header{"te", "trailers"}));
  EXPECT_FALSE(last()->cancelled());
}

struct AnswerCase {
  const char* name;
  std::vector<Header> headers;
  std::vector<std::string> body;
  std::vector<Header> trailers;
  const char* frames;
};

TEST_F(Http2SessionTest, WritesAnswersAsTheirPartsDemand) {
  const Header status{"grpc-status", "5"};
  const AnswerCase cases[] = {
      {"unary", {}, {"answer"}, {status}, "H D H$"},
      {"in parts", {}, {"ans", "", "wer"}, {status}, "H D H$"},
      {"no trailers", {}, {"answer"}, {}, "H D$"},
      {"nothing", {}, {}, {}, "H$"},
      {"empty body, trailers", {}, {""}, {status}, "H H$"},
      {"trailers only", {status}, {}, {}, "H$"},
      {"trailers only, said twice", {status}, {}, {status}, "H$"},
      {"upper case", {{"Content-Type", "x"}}, {"answer"}, {{"Grpc-Status", "5"}}, "H D H$"},
  };
  for (const AnswerCase& c : cases) {
    SCOPED_TRACE(c.name);
    const int32_t id = client_.Request("x");
    ASSERT_TRUE(Talk());
    Response response;
    response.status = 207;
    response.headers = c.headers;
    response.trailers = c.trailers;
    std::string body;
    for (const std::string& part : c.body) {
      body += part;
      response.body.push_back(base::Buffer::FromString(part));
    }
    last()->Respond(std::move(response));
    ASSERT_TRUE(Talk());
    const Http2TestClient::Answer& answer = client_.answer(id);
    EXPECT_EQ(answer.frames, c.frames);
    EXPECT_EQ(answer.status, "207");
    EXPECT_EQ(answer.body, body);
    EXPECT_TRUE(answer.closed);
    EXPECT_EQ(answer.error, NGHTTP2_NO_ERROR);
    if (std::string_view(c.frames) != "H$") {
      EXPECT_THAT(answer.trailers, SizeIs(c.trailers.size()));
    } else {
      EXPECT_THAT(answer.headers, SizeIs(c.headers.size()));
    }
  }
}

TEST_F(Http2SessionTest, PassesBodiesOfAllSizesBothWays) {
  Echo();
  for (const size_t step : {size_t{777}, size_t{65536}, SIZE_MAX}) {
    for (const size_t bytes : {0, 1, 4095, 4096, 4097, 16384, 70001, 1 << 20, 3'000'001}) {
      if (step < 1000 && bytes > 100000) {
        continue;
      }
      const int32_t id = client_.Request(Pattern(bytes));
      ASSERT_TRUE(client_.Talk(host_, *session_, step));
      EXPECT_TRUE(client_.answer(id).body == Pattern(bytes)) << bytes << " in steps of " << step;
      EXPECT_TRUE(client_.answer(id).closed);
      handler().exchanges.clear();
    }
  }
}

TEST_F(Http2SessionTest, KeepsToTinyWindowsOfThePeer) {
  Echo();
  Http2TestClient slow({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 100}});
  const int32_t one = slow.Request(Pattern(5000));
  const int32_t two = slow.Request(Pattern(3000));
  ASSERT_TRUE(slow.Talk(host_, *session_));
  EXPECT_TRUE(slow.answer(one).body == Pattern(5000));
  EXPECT_TRUE(slow.answer(two).body == Pattern(3000));
  EXPECT_THAT(slow.answer(two).frames, HasSubstr("D D D"));
  EXPECT_TRUE(slow.answer(one).closed && slow.answer(two).closed);
}

TEST_F(Http2SessionTest, StopsWhenTheConnectionHasEnough) {
  Http2TestClient wide({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 64 << 20}});
  nghttp2_session_set_local_window_size(wide.session(), 0, 0, 64 << 20);
  const int32_t id = wide.Request("x");
  ASSERT_TRUE(wide.Talk(host_, *session_));
  last()->Respond(GrpcAnswer(Pattern(10 << 20)));
  size_t turns = 0;
  for (std::string out; !(out = host_.Output(*session_, 256 << 10)).empty(); ++turns) {
    EXPECT_LE(out.size(), (256 << 10) + 16384 + 100);
    wide.Input(out);
  }
  EXPECT_GE(turns, 39u);
  EXPECT_TRUE(wide.answer(id).body == Pattern(10 << 20));
}

TEST_F(Http2SessionTest, SendsLargePartsWithoutCopying) {
  client_.Request("x");
  ASSERT_TRUE(Talk());
  auto owner = std::make_shared<std::string>(Pattern(40000));
  Response response;
  response.body.push_back(base::Buffer::Wrap(owner->data(), owner->size(), owner));
  last()->Respond(std::move(response));
  OutputQueue queue;
  session_->CollectOutput(queue, SIZE_MAX);
  EXPECT_EQ(owner.use_count(), 1 + 2);  // two whole frames by reference, the third is small
  queue.TakeAll();
  EXPECT_EQ(owner.use_count(), 1);
}

TEST_F(Http2SessionTest, PlacesLargeBodiesAsTheHandlerWishes) {
  for (const size_t offset : {0, 1, 63, 64, 101, 5000}) {
    for (const size_t first : {1, 255, 256, 4000, 4096, 30000}) {
      handler().aligned_offset = offset;
      const int32_t id = client_.Open();
      const std::string body = Pattern(200'000);
      client_.Send(id, body.substr(0, first));
      ASSERT_TRUE(Talk());
      client_.Send(id, body.substr(first));
      client_.End(id);
      ASSERT_TRUE(Talk());
      const base::Buffer& got = last()->request().body;
      ASSERT_TRUE(got.view() == body) << offset << " " << first;
      EXPECT_EQ(reinterpret_cast<uintptr_t>(got.data() + offset) % 64, 0u);
      last()->Respond(Response());
      handler().exchanges.clear();
    }
  }
}

TEST(Http2BodyTest, AsksOnceWithEnoughAndOnlyForLargeBodies) {
  for (const size_t piece : {1, 100, 255, 300, 5000}) {
    for (const size_t total : {100, 4096, 4097, 40000}) {
      Http2Body body;
      std::vector<size_t> asked;
      const std::string text = Pattern(total);
      for (size_t at = 0; at < total; at += piece) {
        body.Append(std::string_view(text).substr(at, piece), false, [&](std::string_view first) {
          asked.push_back(first.size());
          EXPECT_EQ(first, text.substr(0, first.size()));
          return 17;
        });
      }
      ASSERT_THAT(asked, SizeIs(total > 4096 ? 1 : 0));
      EXPECT_TRUE(asked.empty() || asked[0] >= 256);
      EXPECT_TRUE(body.Take().view() == text);
      EXPECT_EQ(body.size(), 0u);
    }
  }
}

TEST_F(Http2SessionTest, RefusesBodiesAboveTheLimitAndThrowsTheRestAway) {
  handler().max_body_bytes = 10;
  const int32_t good = client_.Request(Pattern(10));
  const int32_t bad = client_.Open();
  client_.Send(bad, Pattern(11));
  ASSERT_TRUE(Talk());
  ASSERT_THAT(handler().exchanges, SizeIs(1));
  ASSERT_THAT(handler().too_large, SizeIs(1));
  EXPECT_EQ(handler().too_large[0]->request().body.view(), Pattern(11));
  EXPECT_EQ(client_.answer(bad).status, "413");
  // The client is told to stop sending, and that this is no error.
  EXPECT_EQ(client_.answer(bad).frames, "H$ R");
  EXPECT_EQ(client_.answer(bad).error, NGHTTP2_NO_ERROR);
  EXPECT_FALSE(handler().too_large[0]->cancelled());
  last()->Respond(GrpcAnswer("fine"));
  ASSERT_TRUE(Talk());
  EXPECT_EQ(client_.answer(good).body, "fine");
}

TEST_F(Http2SessionTest, StreamsAnswersAsTheyAreWritten) {
  const int32_t id = client_.Request("x");
  ASSERT_TRUE(Talk());
  last()->StartStream(200, {{"content-type", "application/grpc"}});
  ASSERT_TRUE(Talk());
  EXPECT_EQ(client_.answer(id).frames, "H");
  last()->Write(base::Buffer::Copy("one "));
  ASSERT_TRUE(Talk());
  EXPECT_EQ(client_.answer(id).body, "one ");
  last()->Write(base::Buffer());  // nothing to say
  last()->Write(base::Buffer::Copy("two "));
  last()->Write(base::Buffer::Copy("three"));
  ASSERT_TRUE(Talk());
  EXPECT_EQ(client_.answer(id).frames, "H D D");
  EXPECT_EQ(client_.answer(id).body, "one two three");
  EXPECT_FALSE(client_.answer(id).closed);
  last()->Finish({{"grpc-status", "0"}});
  last()->Write(base::Buffer::Copy("late"));
  last()->Respond(GrpcAnswer("late"));
  ASSERT_TRUE(Talk());
  EXPECT_EQ(client_.answer(id).frames, "H D D H$");
  EXPECT_EQ(client_.answer(id).body, "one two three");
  EXPECT_TRUE(client_.answer(id).closed);
}

TEST_F(Http2SessionTest, StreamsMayEndWithoutTrailersOrParts) {
  const int32_t plain = client_.Request("x");
  const int32_t empty = client_.Request("x");
  ASSERT_TRUE(Talk());
  handler().exchanges[0]->StartStream(200, {});
  handler().exchanges[0]->Write(base::Buffer::Copy("text"));
  ASSERT_TRUE(Talk());
  handler().exchanges[0]->Finish({});
  handler().exchanges[1]->StartStream(200, {});
  handler().exchanges[1]->Finish({{"grpc-status", "0"}});
  ASSERT_TRUE(Talk());
  EXPECT_EQ(client_.answer(plain).frames, "H D D$");
  EXPECT_EQ(client_.answer(plain).body, "text");
  EXPECT_EQ(client_.answer(empty).frames, "H H$");
}

// Collects what a streaming request brings and keeps its exchange.
class Recorder final : public StreamReader {
 public:
  struct Heard {
    ExchangePtr exchange;
    std::string data;
    bool ended = false;
    bool dead = false;
  };
  Recorder(Heard* heard, const ExchangePtr& exchange) : heard_(heard) {
    heard_->exchange = exchange;
  }
  ~Recorder() override { heard_->dead = true; }
  void OnData(std::string_view bytes) override { heard_->data.append(bytes); }
  void OnEnd() override { heard_->ended = true; }

 private:
  Heard* const heard_;
};

class Http2StreamingTest : public Http2SessionTest {
 protected:
  Http2StreamingTest() {
    handler().on_stream = [this](const ExchangePtr& exchange) {
      return std::make_unique<Recorder>(&heard_, exchange);
    };
  }
  Recorder::Heard heard_;
};

TEST_F(Http2StreamingTest, ReadersHearTheBodyAsItArrives) {
  const int32_t id = client_.Open();
  ASSERT_TRUE(Talk());
  ASSERT_NE(heard_.exchange, nullptr);
  heard_.exchange->StartStream(200, {});
  client_.Send(id, "ping");
  ASSERT_TRUE(Talk());
  EXPECT_EQ(heard_.data, "ping");
  heard_.exchange->Write(base::Buffer::Copy("pong"));
  ASSERT_TRUE(Talk());
  EXPECT_EQ(client_.answer(id).body, "pong");
  EXPECT_FALSE(heard_.ended);
  client_.End(id);
  ASSERT_TRUE(Talk());
  EXPECT_TRUE(heard_.ended);
  EXPECT_FALSE(heard_.dead);
  heard_.exchange->Finish({{"grpc-status", "0"}});
  ASSERT_TRUE(Talk());
  EXPECT_TRUE(heard_.dead);
  EXPECT_EQ(client_.answer(id).frames, "H D H$");
  EXPECT_FALSE(heard_.exchange->cancelled());
  EXPECT_THAT(handler().exchanges, IsEmpty());
}

TEST_F(Http2StreamingTest, AnAnswerThatEndsBeforeTheRequestStopsIt) {
  const int32_t id = client_.Open();
  ASSERT_TRUE(Talk());
  heard_.exchange->Respond(GrpcAnswer("no more"));
  ASSERT_TRUE(Talk());
  EXPECT_EQ(client_.answer(id).frames, "H D H$ R");
  EXPECT_EQ(client_.answer(id).error, NGHTTP2_NO_ERROR);
  EXPECT_TRUE(heard_.dead);
  EXPECT_FALSE(heard_.exchange->cancelled());
}

TEST_F(Http2StreamingTest, AReaderThatDropsItsExchangeEndsTheStream) {
  const int32_t id = client_.Open();
  ASSERT_TRUE(Talk());
  heard_.exchange->StartStream(200, {});
  heard_.exchange.reset();
  ASSERT_TRUE(Talk());
  EXPECT_EQ(client_.answer(id).error, NGHTTP2_INTERNAL_ERROR);
  EXPECT_TRUE(heard_.dead);
}

TEST_F(Http2SessionTest, AnAnswerAtTheHeadersSparesTheBody) {
  handler().on_stream = [](const ExchangePtr& exchange) {
    Response response;
    response.status = 415;
    exchange->Respond(std::move(response));
    return nullptr;
  };
  const int32_t id = client_.Request(Pattern(100'000));
  ASSERT_TRUE(Talk());
  EXPECT_EQ(client_.answer(id).status, "415");
  EXPECT_THAT(handler().exchanges, IsEmpty());
}

TEST_F(Http2SessionTest, AResetCancelsTheExchangeOnce) {
  const int32_t id = client_.Request("x");
  const int32_t other = client_.Request("x");
  ASSERT_TRUE(Talk());
  int cancels = 0;
  handler().exchanges[0]->OnCancel([&] { ++cancels; });
  client_.Reset(id);
  ASSERT_TRUE(Talk());
  EXPECT_EQ(cancels, 1);
  EXPECT_TRUE(handler().exchanges[0]->cancelled());
  EXPECT_FALSE(handler().exchanges[1]->cancelled());
  handler().exchanges[0]->Respond(GrpcAnswer("late"));
  handler().exchanges[1]->Respond(GrpcAnswer("fine"));
  session_->OnClosed();
  EXPECT_EQ(cancels, 1);
  static_cast<void>(other);
}

TEST_F(Http2SessionTest, AnAnswerLetsGoOfTheCancelWork) {
  client_.Request("x");
  client_.Request("x");
  ASSERT_TRUE(Talk());
  std::weak_ptr<int> held[2];
  for (int i = 0; i < 2; ++i) {
    auto owned = std::make_shared<int>(i);
    held[i] = owned;
    handler().exchanges[i]->OnCancel([owned] {});
  }
  handler().exchanges[0]->Respond(GrpcAnswer("whole"));
  handler().exchanges[1]->StartStream(200, {});
  handler().exchanges[1]->Finish({});
  EXPECT_TRUE(held[0].expired());
  EXPECT_TRUE(held[1].expired());
}

TEST_F(Http2SessionTest, AResetBeforeTheEndOfTheRequestIsForgotten) {
  const int32_t id = client_.Open();
  client_.Send(id, "half");
  ASSERT_TRUE(Talk());
  client_.Reset(id);
  ASSERT_TRUE(Talk());
  EXPECT_THAT(handler().exchanges, IsEmpty());
  EXPECT_EQ(client_.answer(id).frames, "");
}

TEST_F(Http2SessionTest, LosingTheConnectionCancelsWhatIsUnanswered) {
  client_.Request("answered");
  client_.Request("waiting");
  client_.Request("streaming");
  ASSERT_TRUE(Talk());
  std::vector<int> cancelled;
  for (int i = 0; i < 3; ++i) {
    handler().exchanges[i]->OnCancel([&, i] { cancelled.push_back(i); });
  }
  handler().exchanges[0]->Respond(GrpcAnswer("done"));
  handler().exchanges[2]->StartStream(200, {});
  ASSERT_TRUE(Talk());
  session_->OnClosed();
  EXPECT_THAT(cancelled, UnorderedElementsAre(1, 2));
  EXPECT_FALSE(handler().exchanges[0]->cancelled());
  EXPECT_TRUE(handler().exchanges[1]->cancelled());
  session_.reset();
  handler().exchanges[1]->Respond(GrpcAnswer("to nobody"));
  handler().exchanges[2]->Write(base::Buffer::Copy("to nobody"));
  handler().exchanges.clear();
}

TEST_F(Http2SessionTest, AnswersFromOtherThreadsHopToTheLoop) {
  const int32_t whole = client_.Request("x");
  const int32_t parts = client_.Request("x");
  ASSERT_TRUE(Talk());
  std::thread([exchanges = std::move(handler().exchanges)] {
    exchanges[0]->Respond(GrpcAnswer("from afar"));
    exchanges[1]->StartStream(200, {});
    exchanges[1]->Write(base::Buffer::Copy("in "));
    exchanges[1]->Write(base::Buffer::Copy("parts"));
    exchanges[1]->Finish({});
  }).join();
  ASSERT_TRUE(Talk());
  EXPECT_EQ(client_.answer(whole).body, "from afar");
  EXPECT_EQ(client_.answer(parts).body, "in parts");
  EXPECT_TRUE(client_.answer(parts).closed);
}

TEST_F(Http2SessionTest, AnExchangeDroppedUnansweredResetsItsStream) {
  const int32_t here = client_.Request("x");
  const int32_t there = client_.Request("x");
  const int32_t half = client_.Request("x");
  ASSERT_TRUE(Talk());
  std::vector<ExchangePtr> exchanges = std::move(handler().exchanges);
  handler().exchanges.clear();
  exchanges[2]->StartStream(200, {});
  exchanges[2]->Write(base::Buffer::Copy("and then"));
  exchanges[2].reset();
  exchanges[0].reset();
  std::thread([&] { exchanges[1].reset(); }).join();
  ASSERT_TRUE(Talk());
  for (const int32_t id : {here, there, half}) {
    EXPECT_EQ(client_.answer(id).error, NGHTTP2_INTERNAL_ERROR);
    EXPECT_TRUE(client_.answer(id).closed);
  }
  Echo();
  const int32_t next = client_.Request("still here");
  ASSERT_TRUE(Talk());
  EXPECT_EQ(client_.answer(next).body, "still here");
}

TEST_F(Http2SessionTest, TheFirstAnswerCounts) {
  const int32_t id = client_.Request("x");
  ASSERT_TRUE(Talk());
  last()->Respond(GrpcAnswer("first"));
  last()->Respond(GrpcAnswer("second"));
  last()->StartStream(500, {});
  last()->Finish({});
  ASSERT_TRUE(Talk());
  EXPECT_EQ(client_.answer(id).body, "first");
  EXPECT_EQ(client_.answer(id).frames, "H D H$");
}

TEST_F(Http2SessionTest, AnIdleConnectionDrainsAtOnce) {
  Echo();
  client_.Request("x");
  ASSERT_TRUE(Talk());
  EXPECT_FALSE(session_->finished());
  session_->StartDrain();
  EXPECT_TRUE(host_.TakeWantWrite());
  client_.Input(host_.Output(*session_));
  EXPECT_THAT(client_.goaways(), ElementsAre(1));
  EXPECT_EQ(client_.goaway_error(), NGHTTP2_NO_ERROR);
  EXPECT_TRUE(session_->finished());
}

TEST_F(Http2SessionTest, ADrainAnswersWhatIsOnItsWay) {
  const int32_t before = client_.Request("before");
  ASSERT_TRUE(Talk());
  const int32_t crossing = client_.Request("crossing");
  const std::string up = client_.Output();
  session_->StartDrain();
  session_->StartDrain();
  const std::string notice = host_.Output(*session_);
  ASSERT_TRUE(Feed(up));  // sent before the notice came
  client_.Input(notice);
  EXPECT_THAT(client_.goaways(), ElementsAre(INT32_MAX));
  ASSERT_TRUE(Talk());  // the ping comes back: now nothing can cross any more
  EXPECT_THAT(client_.goaways(), ElementsAre(INT32_MAX, crossing));
  EXPECT_FALSE(session_->finished());
  ASSERT_THAT(handler().exchanges, SizeIs(2));
  handler().exchanges[0]->Respond(GrpcAnswer("one"));
  handler().exchanges[1]->Respond(GrpcAnswer("two"));
  Talk();
  EXPECT_EQ(client_.answer(before).body, "one");
  EXPECT_EQ(client_.answer(crossing).body, "two");
  EXPECT_TRUE(session_->finished());
}

TEST_F(Http2SessionTest, RequestsAfterTheLastGoawayAreNotServed) {
  ASSERT_TRUE(Feed(RawPreface()));
  ASSERT_TRUE(Feed(RawFrame(NGHTTP2_HEADERS, 0x5, 1, RawHeaderBlock(RequestFields()))));
  session_->StartDrain();
  host_.Output(*session_);
  ASSERT_TRUE(Feed(RawFrame(NGHTTP2_PING, 1, 0, {"drain\0\0\0", 8})));
  host_.Output(*session_);
  ASSERT_TRUE(Feed(RawFrame(NGHTTP2_HEADERS, 0x5, 3, RawHeaderBlock(RequestFields()))));
  EXPECT_THAT(handler().exchanges, SizeIs(1));
  last()->Respond(GrpcAnswer("last"));
  host_.Output(*session_);
  EXPECT_TRUE(session_->finished());
}

TEST_F(Http2SessionTest, AGoawayOfThePeerEndsAnIdleConnection) {
  ASSERT_TRUE(Talk());
  nghttp2_submit_goaway(client_.session(), 0, 0, NGHTTP2_NO_ERROR, nullptr, 0);
  Talk();
  EXPECT_TRUE(session_->finished());
  // Closing at once would reset a peer that sent a PING behind its GOAWAY.
  EXPECT_TRUE(session_->leaves_input_unread());
}

}  // namespace
}  // namespace baton::net
