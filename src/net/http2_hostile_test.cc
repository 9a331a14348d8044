// HTTP/2 peers that keep to no rule, or to all of them and mean no good.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/http2_session.h"
#include "net/http2_test_client.h"
#include "net/http2_test_fixture.h"
#include "net/testing_host.h"

namespace baton::net {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Http2HostileTest = Http2SessionTest;

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

TEST_F(Http2HostileTest, ABadHeaderRefusesItsRequestAlone) {
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

TEST_F(Http2HostileTest, OversizedHeadersAreAnsweredWith431) {
  host_.mutable_limits().http2.max_header_bytes = 2000;
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

TEST_F(Http2HostileTest, AHeaderBombEndsTheConnection) {
  host_.mutable_limits().http2.max_header_bytes = 10'000;
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

// Every request is modest, but costs the server hundreds of times what it costs the peer.
TEST_F(Http2HostileTest, FieldsThatGrowOutOfAllProportionEndTheConnection) {
  const std::string fields = RawHeaderBlock(RequestFields());
  const std::string entry = std::string("\x40\x01x\x7f\xa1\x1e", 6) + std::string(4000, 'y');
  Echo();
  const struct {
    int references;
    uint32_t requests;
    bool survives;
  } rows[] = {{1, 3000, true}, {3, 3000, true}, {20, 3000, false}};
  for (const auto& row : rows) {
    session_ = MakeHttp2Session(&host_);
    ASSERT_TRUE(Feed(RawPreface()));
    ASSERT_TRUE(Feed(RawFrame(NGHTTP2_HEADERS, 0x5, 1, fields + entry)));
    const std::string block =
        fields + std::string(static_cast<size_t>(row.references), static_cast<char>(0x80 | 62));
    uint32_t id = 3;
    while (id < 2 * row.requests && Feed(RawFrame(NGHTTP2_HEADERS, 0x5, id, block))) {
      host_.Output(*session_);
      id += 2;
    }
    EXPECT_EQ(id >= 2 * row.requests, row.survives) << row.references;
    if (!row.survives) {
      EXPECT_LT(id, 200u);
      EXPECT_THAT(host_.Output(*session_), HasSubstr(std::string("\0\0\0\x0b", 4)));
    }
  }
}

TEST_F(Http2HostileTest, HeadersOfOpenStreamsHaveALimitTogether) {
  host_.mutable_limits().http2.max_header_bytes = 5000;
  std::vector<ExchangePtr> kept;
  handler().on_stream = [&kept](const ExchangePtr& exchange) -> std::unique_ptr<StreamReader> {
    kept.push_back(exchange);
    return nullptr;
  };
  ASSERT_TRUE(Feed(RawPreface()));
  const std::string fields = RawHeaderBlock(RequestFields());
  const std::string entry = std::string("\x40\x01x\x7f\xa1\x1e", 6) + std::string(4000, 'y');
  const std::string again(1, static_cast<char>(0x80 | 62));  // a byte for the entry in the table
  ASSERT_TRUE(Feed(RawFrame(NGHTTP2_HEADERS, 0x4, 1, fields + entry)));
  for (uint32_t id = 3; id < 201; id += 2) {
    ASSERT_TRUE(Feed(RawFrame(NGHTTP2_HEADERS, 0x4, id, fields + again)));
    host_.Output(*session_);
  }
  EXPECT_GE(kept.size(), 16u);
  EXPECT_LE(kept.size(), 16u * 5000 / 4000);
  // Streams that are gone count no more.
  for (uint32_t id = 1; id < 201; id += 2) {
    Feed(RawFrame(NGHTTP2_RST_STREAM, 0, id, {"\0\0\0\x8", 4}));
  }
  ASSERT_TRUE(Feed(RawFrame(NGHTTP2_HEADERS, 0x5, 201, fields + again)));
  EXPECT_THAT(handler().exchanges, SizeIs(1));
}

// Answers every part with a kilobyte.
class ChattyReader final : public StreamReader {
 public:
  explicit ChattyReader(ExchangePtr exchange) : exchange_(std::move(exchange)) {
    exchange_->StartStream(200, {});
  }
  void OnData(std::string_view) override {
    exchange_->Write(base::Buffer::FromString(std::string(1024, 'a')));
  }
  void OnEnd() override { exchange_->Finish({}); }

 private:
  const ExchangePtr exchange_;
};

TEST_F(Http2HostileTest, AStreamedAnswerThatNobodyReadsIsReset) {
  int readers = 0;
  handler().on_stream = [&readers](const ExchangePtr& exchange) {
    ++readers;
    return std::make_unique<ChattyReader>(exchange);
  };
  ASSERT_TRUE(Feed(RawPreface()));
  ASSERT_TRUE(Feed(RawFrame(NGHTTP2_SETTINGS, 0, 0, {"\0\4\0\0\0\0", 6})));  // a window of 0
  ASSERT_TRUE(Feed(RawFrame(NGHTTP2_HEADERS, 0x4, 1, RawHeaderBlock(RequestFields()))));
  const std::string reset = RawFrame(NGHTTP2_RST_STREAM, 0, 1, {"\0\0\0\xb", 4});
  bool is_reset = false;
  int rounds = 0;
  for (; rounds < 20'000 && !is_reset; ++rounds) {
    ASSERT_TRUE(Feed(RawFrame(NGHTTP2_DATA, 0, 1, "x")));
    is_reset = host_.Output(*session_).find(reset) != std::string::npos;
  }
  EXPECT_TRUE(is_reset);
  EXPECT_GT(rounds, 10'000);
  // The next one starts with a clean slate.
  ASSERT_TRUE(Feed(RawFrame(NGHTTP2_HEADERS, 0x4, 3, RawHeaderBlock(RequestFields()))));
  ASSERT_TRUE(Feed(RawFrame(NGHTTP2_DATA, 0, 3, "x")));
  EXPECT_FALSE(HasFrame(host_.Output(*session_), NGHTTP2_RST_STREAM));
  EXPECT_EQ(readers, 2);
}

TEST_F(Http2HostileTest, APeerThatReadsNoAnswersGetsNoMoreStreams) {
  const base::Buffer large = base::Buffer::FromString(std::string(size_t{64} << 20, 'a'));
  handler().on_request = [&large](ExchangePtr exchange) {
    Response response = GrpcAnswer("");
    response.body = {large};  // shared: only counted many times
    exchange->Respond(std::move(response));
  };
  ASSERT_TRUE(Feed(RawPreface()));
  ASSERT_TRUE(Feed(RawFrame(NGHTTP2_SETTINGS, 0, 0, {"\0\4\0\0\0\0", 6})));
  std::string out;
  for (uint32_t id = 1; id < 2 * 40; id += 2) {
    ASSERT_TRUE(Feed(RawFrame(NGHTTP2_HEADERS, 0x5, id, RawHeaderBlock(RequestFields()))));
    out += host_.Output(*session_);
  }
  EXPECT_THAT(handler().exchanges, SizeIs(32));  // 2 GiB
  EXPECT_THAT(out, HasSubstr(RawFrame(NGHTTP2_RST_STREAM, 0, 65, {"\0\0\0\7", 4})));
  for (uint32_t id = 1; id < 2 * 32; id += 2) {
    Feed(RawFrame(NGHTTP2_RST_STREAM, 0, id, {"\0\0\0\x8", 4}));
  }
  ASSERT_TRUE(Feed(RawFrame(NGHTTP2_HEADERS, 0x5, 81, RawHeaderBlock(RequestFields()))));
  EXPECT_THAT(handler().exchanges, SizeIs(33));
}

TEST_F(Http2HostileTest, ALargeAnswerThatWaitsDoesNotEndTheWatchesBesideIt) {
  handler().on_request = [](ExchangePtr exchange) {
    Response response = GrpcAnswer("");
    response.body = {base::Buffer::FromString(std::string(size_t{64} << 20, 'a'))};
    exchange->Respond(std::move(response));
  };
  handler().on_stream = [](const ExchangePtr& exchange) -> std::unique_ptr<StreamReader> {
    return exchange->request().target == "/watch" ? std::make_unique<ChattyReader>(exchange)
                                                  : nullptr;
  };
  ASSERT_TRUE(Feed(RawPreface()));
  ASSERT_TRUE(Feed(RawFrame(NGHTTP2_HEADERS, 0x5, 1, RawHeaderBlock(RequestFields()))));
  ASSERT_TRUE(Feed(RawFrame(NGHTTP2_HEADERS, 0x4, 3, RawHeaderBlock(RequestFields("/watch")))));
  ASSERT_TRUE(Feed(RawFrame(NGHTTP2_DATA, 0, 3, "x")));
  EXPECT_FALSE(HasFrame(host_.Output(*session_), NGHTTP2_RST_STREAM));
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

TEST(Http2HostileFloodTest, FramesWithoutRequestsEndTheConnection) {
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

TEST_F(Http2HostileTest, KeepAlivePingsAreToleratedForDays) {
  host_.mutable_limits().max_control_frames = 100;
  ASSERT_TRUE(Feed(RawPreface()));
  for (int i = 0; i < 20'000; ++i) {
    host_.Advance(absl::Seconds(10));
    ASSERT_TRUE(Feed(RawFrame(NGHTTP2_PING, 0, 0, "12345678")));
    ASSERT_THAT(host_.Output(*session_), HasSubstr("12345678"));
  }
}

TEST_F(Http2HostileTest, AnsweredRequestsForgiveControlFrames) {
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

TEST_F(Http2HostileTest, StreamsAboveTheLimitAreRefused) {
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

TEST_F(Http2HostileTest, WhatIsNotHttp2EndsTheConnection) {
  EXPECT_FALSE(Feed("POST /v1/models/m:predict HTTP/1.1\r\n\r\n"));
  host_.Output(*session_);
  EXPECT_TRUE(session_->finished());
  EXPECT_FALSE(Feed("more"));
}

TEST(Http2HostileGarbageTest, DamagedConversationsNeverHang) {
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
