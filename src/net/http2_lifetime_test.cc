#include "net/http2_lifetime.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "net/http2_test_fixture.h"

namespace baton::net {
namespace {

using Verdict = Http2Lifetime::Verdict;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr absl::Time kStart = absl::FromUnixSeconds(1'000'000);
constexpr Http2Lifetime::Connection kIdle = {.has_settings = true};
constexpr Http2Lifetime::Connection kBusy = {.open_calls = 1, .has_settings = true};

absl::Time At(double seconds) { return kStart + absl::Seconds(seconds); }

char Letter(Verdict verdict) {
  switch (verdict) {
    case Verdict::kStay:
      return '.';
    case Verdict::kPing:
      return 'P';
    case Verdict::kGoAway:
      return 'G';
    case Verdict::kDropBodies:
      return 'B';
    case Verdict::kCutOff:
      return 'X';
  }
  return '?';
}

// Runs as the session does for so many seconds, asked when it wants to be: "P@7200 X@7220". `heard`
// lists when the peer sends something.
std::string Life(const Limits& limits, Http2Lifetime::Connection connection, double seconds,
                 std::vector<double> heard = {}) {
  Http2Lifetime lifetime(limits, kStart, 0);
  std::string story;
  size_t next_heard = 0;
  for (absl::Time now = kStart; now <= At(seconds);) {
    const Verdict verdict = lifetime.Check(now, connection);
    if (verdict != Verdict::kStay) {
      if (!story.empty()) story += ' ';
      story += Letter(verdict);
      story += "@" + std::to_string(absl::ToInt64Seconds(now - kStart));
      if (verdict == Verdict::kCutOff) return story;
      if (verdict == Verdict::kDropBodies) connection.has_half_a_body = false;
      continue;
    }
    now = lifetime.NextCheck(now, connection);
    while (next_heard < heard.size() && At(heard[next_heard]) <= now) {
      lifetime.OnInput(At(heard[next_heard++]));
    }
  }
  return story;
}

TEST(Http2LifetimeTest, DecidesAsTimePasses) {
  Limits plain;
  Limits aged;
  aged.http2.max_connection_age = absl::Seconds(100);
  Limits graced = aged;
  graced.http2.max_connection_age_grace = absl::Seconds(10);
  Limits idle;
  idle.http2.max_connection_idle = absl::Seconds(50);
  Limits pings;
  pings.http2.keepalive_time = absl::Seconds(10);
  pings.http2.keepalive_timeout = absl::Seconds(2);
  Limits pings_always = pings;
  pings_always.http2.keepalive_without_calls = true;
  auto no_preface = kIdle;
  no_preface.has_settings = false;
  auto half_head = kBusy;
  half_head.half_a_head_since = At(5);
  auto half_body = kBusy;
  half_body.has_half_a_body = true;
  auto unread = half_body;
  unread.is_reading = false;
  const struct {
    const char* text;
    const Limits& limits;
    Http2Lifetime::Connection connection;
    double seconds;
    std::vector<double> heard;
    const char* story;
  } rows[] = {
      {"an idle connection stays for ever", plain, kIdle, 1e6, {}, ""},
      {"a busy one is pinged after two hours", plain, kBusy, 1e5, {}, "P@7200 X@7220"},
      {"and stays when it answers", plain, kBusy, 8000, {7201}, "P@7200"},
      {"pings are for silence", pings, kBusy, 20, {9, 18}, ""},
      {"without calls there are none", pings, kIdle, 1000, {}, ""},
      {"unless asked for", pings_always, kIdle, 1000, {}, "P@10 X@12"},
      {"one answer, then silence", pings, kBusy, 1000, {11}, "P@10 P@21 X@23"},
      {"age", aged, kIdle, 1000, {101}, "G@100"},
      {"age, and nobody answers", aged, kIdle, 1000, {}, "G@100 X@120"},
      {"age with a call", aged, kBusy, 1000, {101}, "G@100"},
      {"age with a call beyond the grace", graced, kBusy, 1000, {101}, "G@100 X@110"},
      {"idle", idle, kIdle, 60, {}, "G@50"},
      {"not idle", idle, kBusy, 1000, {}, ""},
      {"no preface", plain, no_preface, 1000, {100}, "X@120"},
      {"half a head", plain, half_head, 1000, {6, 20, 40}, "X@65"},
      {"half a body", plain, half_body, 1000, {30}, "B@90"},
      {"half a body that comes slowly", plain, half_body, 150, {50, 100, 150}, ""},
      {"half a body that we do not read", plain, unread, 1000, {}, ""},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(Life(row.limits, row.connection, row.seconds, row.heard), row.story) << row.text;
  }
}

TEST(Http2LifetimeTest, TheAgeIsSpreadByATenth) {
  Limits limits;
  limits.http2.max_connection_age = absl::Seconds(100);
  for (const auto& [spread, age] : {std::pair(-1.0, 90.0), {0.5, 105.0}, {1.0, 110.0}}) {
    Http2Lifetime lifetime(limits, kStart, spread);
    EXPECT_EQ(lifetime.Check(At(age - 0.1), kIdle), Verdict::kStay) << spread;
    EXPECT_EQ(lifetime.Check(At(age + 0.1), kIdle), Verdict::kGoAway) << spread;
  }
}

TEST(Http2LifetimeTest, IdlenessCountsFromTheLastCall) {
  Limits limits;
  limits.http2.max_connection_idle = absl::Seconds(50);
  Http2Lifetime lifetime(limits, kStart, 0);
  EXPECT_EQ(lifetime.NextCheck(At(30), kBusy), At(60)) << "not later than it may be idle";
  lifetime.OnIdle(At(40));
  EXPECT_EQ(lifetime.Check(At(89), kIdle), Verdict::kStay);
  EXPECT_EQ(lifetime.NextCheck(At(89), kIdle), At(90));
  EXPECT_EQ(lifetime.Check(At(90), kIdle), Verdict::kGoAway);
}

TEST(Http2LifetimeTest, PingsTooOftenAreStrikes) {
  const struct {
    const char* text;
    uint32_t strikes;
    bool without_calls;
    size_t open_calls;
    std::vector<double> pings;
    std::string allowed;
  } rows[] = {
      {"not counted", 0, false, 0, {0, 0, 0, 0, 0}, "yyyyy"},
      {"in time", 2, false, 1, {0, 10, 20, 30, 40}, "yyyyy"},
      {"too often", 2, false, 1, {0, 1, 2, 3}, "yyyn"},
      {"idle", 2, false, 0, {0, 100, 200, 300}, "yyyn"},
      {"idle, permitted", 2, true, 0, {0, 100, 200, 300}, "yyyy"},
  };
  for (const auto& row : rows) {
    Limits limits;
    limits.http2.min_ping_interval = absl::Seconds(10);
    limits.http2.max_ping_strikes = row.strikes;
    limits.http2.keepalive_without_calls = row.without_calls;
    Http2Lifetime lifetime(limits, kStart, 0);
    std::string allowed;
    for (const double ping : row.pings) {
      allowed += lifetime.AllowsPing(At(ping), row.open_calls) ? 'y' : 'n';
    }
    EXPECT_EQ(allowed, row.allowed) << row.text;
    lifetime.OnAnswer();
    EXPECT_TRUE(lifetime.AllowsPing(At(500), row.open_calls)) << row.text;
  }
}

// The same from the outside: what the session says, and when it gives up.
class Http2LifetimeSessionTest : public Http2SessionTest {
 protected:
  void Restart() { session_ = MakeHttp2Session(&host_); }
};

TEST_F(Http2LifetimeSessionTest, AnOldConnectionFinishesItsCallsAndEnds) {
  host_.mutable_limits().http2.max_connection_age = absl::Seconds(100);
  Restart();
  const int32_t id = client_.Request("hello");
  ASSERT_TRUE(Talk());
  host_.Advance(absl::Seconds(111));
  EXPECT_TRUE(host_.TakeWantWrite());
  ASSERT_TRUE(Talk());
  EXPECT_THAT(client_.goaways(), SizeIs(2)) << "the notice, and after the ping the last word";
  EXPECT_EQ(client_.goaway_error(), uint32_t{NGHTTP2_NO_ERROR});
  EXPECT_FALSE(session_->finished());
  last()->Respond(GrpcAnswer("answer"));
  Talk();
  EXPECT_EQ(client_.answer(id).body, "answer");
  EXPECT_TRUE(session_->finished());
  EXPECT_FALSE(host_.gave_up);
}

TEST_F(Http2LifetimeSessionTest, CallsBeyondTheGraceAreCutOff) {
  host_.mutable_limits().http2.max_connection_age = absl::Seconds(100);
  host_.mutable_limits().http2.max_connection_age_grace = absl::Seconds(5);
  Restart();
  client_.Request("hello");
  ASSERT_TRUE(Talk());
  host_.Advance(absl::Seconds(111));
  ASSERT_TRUE(Talk());
  host_.Advance(absl::Seconds(5));
  EXPECT_TRUE(host_.gave_up);
  session_->OnClosed();
  EXPECT_TRUE(last()->cancelled());
}

TEST_F(Http2LifetimeSessionTest, ASilentPeerIsPingedAndGivenUp) {
  host_.mutable_limits().http2.keepalive_time = absl::Seconds(10);
  Restart();
  client_.Request("hello");
  ASSERT_TRUE(Talk());
  host_.Advance(absl::Seconds(10));
  ASSERT_TRUE(Talk());  // the client answers the ping
  host_.Advance(absl::Seconds(9));
  EXPECT_THAT(host_.Output(*session_), IsEmpty());
  host_.Advance(absl::Seconds(1));
  EXPECT_THAT(host_.Output(*session_), SizeIs(17)) << "a ping that is lost";
  host_.Advance(absl::Seconds(20));
  EXPECT_TRUE(host_.gave_up);
}

TEST_F(Http2LifetimeSessionTest, ARequestThatNeverEndsIsReset) {
  const int32_t id = client_.Open();
  client_.Send(id, "the first half");
  ASSERT_TRUE(Talk());
  host_.Advance(absl::Seconds(61));
  ASSERT_TRUE(Talk());
  EXPECT_TRUE(client_.answer(id).closed);
  EXPECT_EQ(client_.answer(id).error, uint32_t{NGHTTP2_CANCEL});
  const int32_t next = client_.Request("whole");
  ASSERT_TRUE(Talk());
  last()->Respond(GrpcAnswer("answer"));
  ASSERT_TRUE(Talk());
  EXPECT_EQ(client_.answer(next).body, "answer");
}

TEST_F(Http2LifetimeSessionTest, HalfABlockOfFieldsEndsTheConnection) {
  const std::string block = RawHeaderBlock(RequestFields());
  EXPECT_TRUE(Feed(RawPreface()));
  EXPECT_TRUE(Feed(RawFrame(NGHTTP2_HEADERS, NGHTTP2_FLAG_NONE, 1, block.substr(0, 10))));
  host_.Advance(absl::Seconds(40));
  EXPECT_TRUE(Feed(RawFrame(NGHTTP2_CONTINUATION, NGHTTP2_FLAG_NONE, 1, block.substr(10, 1))));
  EXPECT_FALSE(host_.gave_up);
  host_.Advance(absl::Seconds(21));
  EXPECT_TRUE(host_.gave_up);
}

// A refused block is over, although the handler never heard of it.
TEST_F(Http2LifetimeSessionTest, ARefusedBlockOfFieldsIsNotHalfABlock) {
  std::vector<Header> fields = RequestFields();
  fields.push_back({"bad", "line\nbreak"});
  EXPECT_TRUE(Feed(RawPreface()));
  EXPECT_TRUE(Feed(RawFrame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1,
                            RawHeaderBlock(fields))));
  host_.Output(*session_);
  EXPECT_THAT(handler().exchanges, IsEmpty());
  host_.Advance(absl::Hours(1));
  EXPECT_FALSE(host_.gave_up);
}

TEST_F(Http2LifetimeSessionTest, WhoeverNeverSpeaksIsGivenUp) {
  host_.Advance(absl::Seconds(119));
  EXPECT_FALSE(host_.gave_up);
  host_.Advance(absl::Seconds(1));
  EXPECT_TRUE(host_.gave_up);
}

TEST_F(Http2LifetimeSessionTest, TooManyPingsEndTheConnectionByTheNameThatClientsKnow) {
  host_.mutable_limits().http2.min_ping_interval = absl::Minutes(5);
  host_.mutable_limits().http2.max_ping_strikes = 2;
  const std::string ping = RawFrame(NGHTTP2_PING, NGHTTP2_FLAG_NONE, 0, "12345678");
  EXPECT_TRUE(Feed(RawPreface()));
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(Feed(ping));
  }
  EXPECT_FALSE(Feed(ping));
  EXPECT_THAT(host_.Output(*session_), HasSubstr("too_many_pings"));
}

TEST_F(Http2LifetimeSessionTest, TheAnnouncedSizesCanBeChosen) {
  host_.mutable_limits().http2.max_frame_bytes = 16384;
  host_.mutable_limits().http2.max_header_bytes = 9000;
  Restart();
  ASSERT_TRUE(Talk());
  const auto setting = [&](nghttp2_settings_id id) {
    return nghttp2_session_get_remote_settings(client_.session(), id);
  };
  EXPECT_EQ(setting(NGHTTP2_SETTINGS_MAX_FRAME_SIZE), 16384u);
  EXPECT_EQ(setting(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE), 9000u);
}

}  // namespace
}  // namespace baton::net
