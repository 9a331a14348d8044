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

std::string Pattern(size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) {
    text[i] = static_cast<char>((i * 2654435761u) >> 13);
  }
  return text;
}

Response GrpcAnswer(std::string body) {
  Response response;
  response.headers = {{"content-type", "application/grpc"}};
  response.body.push_back(base::Buffer::FromString(std::move(body)));
  response.trailers = {{"grpc-status", "0"}};
  return response;
}

class Http2SessionTest : public ::testing::Test {
 protected:
  void Echo() {
    handler().on_request = [](ExchangePtr exchange) {
      Response response = GrpcAnswer("");
      response.body = {exchange->request().body};
      exchange->Respond(std::move(response));
    };
    keep_exchanges_ = false;
  }
  ScriptedHandler& handler() { return host_.scripted(); }
  ExchangePtr last() { return handler().exchanges.back(); }
  bool Talk() { return client_.Talk(host_, *session_); }
  // Bytes as they are; true while the session wants to go on.
  bool Feed(std::string_view bytes) { return session_->OnBytes(bytes); }

  TestHost host_;
  bool keep_exchanges_ = true;
  std::unique_ptr<ProtocolSession> session_ = MakeHttp2Session(&host_);
  Http2TestClient client_;
};

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

TEST_F(Http2SessionTest, ABadHeaderRefusesItsRequestAlone) {
  Echo();
  ASSERT_TRUE(Feed(RawPreface()));
  const std::vector<std::vector<Header>> bad = {
      {{"x", std::string("a\0b", 3)}},
      {{"x", "a\nb"}},
      {{"X-Upper", "v"}},
      {{"connection", "close"}},
      {{"te", "gzip"}},
      {{":path", "/twice"}},
      {{":status", "200"}},
      {{"content-length", "x"}},
  };
  uint32_t id = 1;
  for (const std::vector<Header>& extra : bad) {
    std::vector<Header> fields = RequestFields();
    fields.insert(fields.end(), extra.begin(), extra.end());
    EXPECT_TRUE(Feed(RawFrame(NGHTTP2_HEADERS, 0x5, id, RawHeaderBlock(fields)))) << extra[0].name;
    id += 2;
  }
  EXPECT_THAT(handler().exchanges, IsEmpty());
  ASSERT_TRUE(Feed(RawFrame(NGHTTP2_HEADERS, 0x5, id, RawHeaderBlock(RequestFields()))));
  EXPECT_THAT(handler().exchanges, SizeIs(1));
  const std::string out = host_.Output(*session_);
  EXPECT_THAT(out, HasSubstr(RawFrame(NGHTTP2_RST_STREAM, 0, 1, {"\0\0\0\1", 4})));
  EXPECT_FALSE(session_->finished());
}

TEST_F(Http2SessionTest, OversizedHeadersAreAnsweredWith431) {
  host_.mutable_limits().max_header_bytes = 2000;
  host_.mutable_limits().max_headers = 10;
  std::vector<Header> long_one = RequestFields();
  long_one.push_back({"x-long", std::string(2000, 'x')});
  std::vector<Header> many = RequestFields();
  for (int i = 0; i < 6; ++i) {
    many.push_back({"x", "y"});
  }
  const int32_t first = client_.Request("body", long_one);
  const int32_t second = client_.Request("body", many);
  const int32_t good = client_.Request("body");
  ASSERT_TRUE(Talk());
  EXPECT_EQ(client_.answer(first).status, "431");
  EXPECT_EQ(client_.answer(second).status, "431");
  EXPECT_EQ(client_.answer(good).frames, "");
  EXPECT_THAT(handler().exchanges, SizeIs(1));
}

TEST_F(Http2SessionTest, AHeaderBombEndsTheConnection) {
  host_.mutable_limits().max_header_bytes = 10'000;
  ASSERT_TRUE(Feed(RawPreface()));
  // One entry of 4000 bytes in the table, then a byte for each repetition.
  std::string block = RawHeaderBlock(RequestFields());
  block += std::string("\x40\x01x\x7f\xa1\x1e", 6) + std::string(4000, 'y');
  block += std::string(1000, static_cast<char>(0x80 | 62));
  EXPECT_FALSE(Feed(RawFrame(NGHTTP2_HEADERS, 0x5, 1, block)));
  EXPECT_THAT(handler().exchanges, IsEmpty());
  client_.Input(host_.Output(*session_));
  EXPECT_EQ(client_.goaway_error(), NGHTTP2_ENHANCE_YOUR_CALM);
  EXPECT_TRUE(session_->finished());
}

struct FloodCase {
  const char* name;
  std::string frames;  // sent again and again, each time on the next stream when they open one
  bool opens_streams;
  uint32_t least_rounds;
  bool says_why;  // by a GOAWAY
};

std::vector<FloodCase> Floods() {
  const std::string request = RawFrame(NGHTTP2_HEADERS, 0x5, 1, RawHeaderBlock(RequestFields()));
  const std::string cancel = RawFrame(NGHTTP2_RST_STREAM, 0, 1, {"\0\0\0\x8", 4});
  const std::string bad_request = RawFrame(NGHTTP2_HEADERS, 0x5, 1, RawHeaderBlock({{"x", "y"}}));
  return {
      {"ping", RawFrame(NGHTTP2_PING, 0, 0, "12345678"), false, 990, true},
      {"settings", RawFrame(NGHTTP2_SETTINGS, 0, 0, ""), false, 990, true},
      {"rapid reset", request + cancel, true, 990, true},
      {"provoked resets", bad_request, true, 990, true},
      {"empty data", RawFrame(NGHTTP2_DATA, 0, 1, ""), false, 990, true},
      {"priority", RawFrame(NGHTTP2_PRIORITY, 0, 1, {"\0\0\0\3\0", 5}), false, 990, true},
      {"continuation", RawFrame(NGHTTP2_CONTINUATION, 0, 1, RawHeaderBlock({{"x", "y"}})), false, 5,
       false},
  };
}

// The stream numbers of `frames` (1) replaced.
std::string OnStream(std::string frames, uint32_t id) {
  for (size_t at = 0; at < frames.size();) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(frames[at + i]); };
    const size_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
    if (byte(8) != 0) {
      frames[at + 6] = static_cast<char>(id >> 16);
      frames[at + 7] = static_cast<char>(id >> 8);
      frames[at + 8] = static_cast<char>(id);
    }
    at += 9 + size;
  }
  return frames;
}

bool HasFrame(std::string_view bytes, uint8_t type) {
  for (size_t at = 0; at + 9 <= bytes.size();) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[at + i]); };
    if (byte(3) == type) {
      return true;
    }
    at += 9 + (byte(0) << 16 | byte(1) << 8 | byte(2));
  }
  return false;
}

TEST(Http2FloodTest, FramesWithoutRequestsEndTheConnection) {
  for (const FloodCase& c : Floods()) {
    SCOPED_TRACE(c.name);
    TestHost host;
    host.mutable_limits().max_control_frames = 1000;
    std::unique_ptr<ProtocolSession> session = MakeHttp2Session(&host);
    ASSERT_TRUE(session->OnBytes(RawPreface()));
    if (!c.opens_streams) {
      const uint8_t end_headers = c.least_rounds < 100 ? 0 : 0x4;
      ASSERT_TRUE(session->OnBytes(
          RawFrame(NGHTTP2_HEADERS, end_headers, 1, RawHeaderBlock(RequestFields()))));
    }
    std::string out;
    uint32_t rounds = 0;
    for (bool alive = true; alive && rounds < 1100; ++rounds) {
      alive = session->OnBytes(c.opens_streams ? OnStream(c.frames, 2 * rounds + 1) : c.frames);
      host.scripted().exchanges.clear();
      out += host.Output(*session);
    }
    EXPECT_GE(rounds, c.least_rounds);
    EXPECT_LT(rounds, 1100u);
    EXPECT_TRUE(session->finished());
    EXPECT_EQ(HasFrame(out, NGHTTP2_GOAWAY), c.says_why);
    session->OnClosed();
  }
}

TEST_F(Http2SessionTest, KeepAlivePingsAreToleratedForDays) {
  host_.mutable_limits().max_control_frames = 100;
  ASSERT_TRUE(Feed(RawPreface()));
  for (int i = 0; i < 20'000; ++i) {
    host_.Advance(absl::Seconds(10));
    ASSERT_TRUE(Feed(RawFrame(NGHTTP2_PING, 0, 0, "12345678")));
    ASSERT_THAT(host_.Output(*session_), HasSubstr("12345678"));
  }
}

TEST_F(Http2SessionTest, AnsweredRequestsForgiveControlFrames) {
  Echo();
  host_.mutable_limits().max_control_frames = 100;
  for (int i = 0; i < 50; ++i) {
    for (int k = 0; k < 90; ++k) {
      nghttp2_submit_ping(client_.session(), 0, nullptr);
    }
    client_.Request("x");
    ASSERT_TRUE(Talk()) << i;
    handler().exchanges.clear();
  }
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
}

TEST_F(Http2SessionTest, StreamsAboveTheLimitAreRefused) {
  host_.mutable_limits().max_concurrent_streams = 2;
  std::unique_ptr<ProtocolSession> narrow = MakeHttp2Session(&host_);
  narrow->OnBytes(RawPreface());
  host_.Output(*narrow);
  narrow->OnBytes(RawFrame(NGHTTP2_SETTINGS, 1, 0, ""));
  for (uint32_t id = 1; id <= 5; id += 2) {
    narrow->OnBytes(RawFrame(NGHTTP2_HEADERS, 0x5, id, RawHeaderBlock(RequestFields())));
  }
  EXPECT_THAT(handler().exchanges, SizeIs(2));
  handler().exchanges.clear();
  narrow->OnClosed();
}

TEST_F(Http2SessionTest, WhatIsNotHttp2EndsTheConnection) {
  EXPECT_FALSE(Feed("POST /v1/models/m:predict HTTP/1.1\r\n\r\n"));
  host_.Output(*session_);
  EXPECT_TRUE(session_->finished());
  EXPECT_FALSE(Feed("more"));
}

TEST(Http2GarbageTest, DamagedConversationsNeverHang) {
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    TestHost host;
    host.scripted().on_request = [](ExchangePtr exchange) {
      exchange->Respond(GrpcAnswer("answer"));
    };
    std::unique_ptr<ProtocolSession> session = MakeHttp2Session(&host);
    Http2TestClient client;
    for (int i = 0; i < 4; ++i) {
      client.Request(Pattern(500));
    }
    std::string bytes = client.Output();
    uint32_t random = seed * 2654435761u;
    for (int hits = 0; hits < 3; ++hits) {
      random = random * 1664525u + 1013904223u;
      bytes[24 + (random >> 8) % (bytes.size() - 24)] ^= static_cast<char>(1 + (random & 0x7f));
    }
    if (session->OnBytes(bytes)) {
      host.Output(*session);
    }
    session->OnClosed();
  }
}

}  // namespace
}  // namespace baton::net
