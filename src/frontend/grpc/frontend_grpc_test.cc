#include "frontend/grpc/grpc_message.h"
#include "frontend/grpc/message_stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "net/gzip.h"

namespace baton::frontend::grpc {
namespace {

net::Request RequestWith(std::string body,
                         std::vector<std::pair<std::string, std::string>> headers = {}) {
  net::Request request;
  request.body = base::Buffer::FromString(std::move(body));
  for (auto& [name, value] : headers) request.headers.Add(name, value);
  return request;
}

std::string Framed(std::string_view message, bool compressed = false) {
  std::string out(kPrefixBytes, '\0');
  WritePrefix(out.data(), compressed, static_cast<uint32_t>(message.size()));
  return out.append(message);
}

TEST(GrpcTimeoutTest, EveryUnitAndWhatIsMalformed) {
  EXPECT_EQ(ParseTimeout("1H"), absl::Hours(1));
  EXPECT_EQ(ParseTimeout("2M"), absl::Minutes(2));
  EXPECT_EQ(ParseTimeout("3S"), absl::Seconds(3));
  EXPECT_EQ(ParseTimeout("99999999m"), absl::Milliseconds(99999999));
  EXPECT_EQ(ParseTimeout("5u"), absl::Microseconds(5));
  EXPECT_EQ(ParseTimeout("0n"), absl::ZeroDuration());
  for (const char* bad : {"", "S", "1", "123456789S", "-1S", "1s", "1.5S", " 1S"}) {
    EXPECT_EQ(ParseTimeout(bad), std::nullopt) << bad;
  }
}

TEST(GrpcStatusTest, MessageIsPercentEncoded) {
  EXPECT_EQ(EncodeStatusMessage("a b\n100%\xc3\xa9"), "a b%0A100%25%C3%A9");
}

TEST(GrpcStatusTest, LongMessageIsCutAsTensorFlowServingDoes) {
  const net::Response response = ErrorResponse(absl::InternalError(std::string(2000, 'x')));
  ASSERT_EQ(response.headers.size(), 3u);
  EXPECT_EQ(response.headers[1].value, "13");
  EXPECT_EQ(response.headers[2].value, std::string(1024, 'x') + "...TRUNCATED");
  EXPECT_TRUE(response.trailers.empty());
}

TEST(GrpcFramingTest, MessageComesOutOfItsFrame) {
  auto message = DecodeUnaryMessage(RequestWith(Framed("hello")), 100);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->view(), "hello");
  EXPECT_TRUE(DecodeUnaryMessage(RequestWith(Framed("")), 100)->empty());
}

TEST(GrpcFramingTest, BrokenFramesAreRefusedWithTheirReason) {
  const struct {
    net::Request request;
    absl::StatusCode code;
  } rows[] = {
      {RequestWith(""), absl::StatusCode::kInternal},
      {RequestWith("\0\0\0"), absl::StatusCode::kInternal},
      {RequestWith(Framed("hello").substr(0, 7)), absl::StatusCode::kInternal},
      {RequestWith(Framed("hello") + Framed("again")), absl::StatusCode::kInternal},
      {RequestWith(Framed("hello", true)), absl::StatusCode::kInternal},
      {RequestWith("\x02" + Framed("x").substr(1)), absl::StatusCode::kInternal},
      {RequestWith(Framed("hello", true), {{"grpc-encoding", "snappy"}}),
       absl::StatusCode::kUnimplemented},
      {RequestWith(Framed("hello", true), {{"grpc-encoding", "gzip"}}),
       absl::StatusCode::kInternal},
      {RequestWith(Framed(std::string(101, 'x'))), absl::StatusCode::kResourceExhausted},
      {RequestWith(std::string("\0\xff\xff\xff\xff", 5)), absl::StatusCode::kResourceExhausted},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(DecodeUnaryMessage(row.request, 100).status().code(), row.code)
        << row.request.body.view();
  }
}

TEST(GrpcFramingTest, GzipMessageIsInflatedWithinTheLimit) {
  const std::string plain(5000, 'a');
  auto packed = net::Compress(net::Compression::kGzip, plain);
  ASSERT_TRUE(packed.ok());
  const net::Request request =
      RequestWith(Framed(packed->view(), true),
                  {{"grpc-encoding", "gzip"}, {"grpc-accept-encoding", "identity,gzip"}});
  EXPECT_EQ(DecodeUnaryMessage(request, 5000)->view(), plain);
  EXPECT_EQ(DecodeUnaryMessage(request, 4999).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(WantsGzipReply(request));
}

TEST(GrpcFramingTest, RepliesAreCompressedForOthersOnlyWhenTheServerLikesTo) {
  const net::Request takes_gzip = RequestWith(Framed("x"), {{"grpc-accept-encoding", "gzip"}});
  const net::Request takes_none = RequestWith(Framed("x"), {});
  EXPECT_FALSE(WantsGzipReply(takes_gzip));
  EXPECT_TRUE(WantsGzipReply(takes_gzip, true));
  EXPECT_FALSE(WantsGzipReply(takes_none, true));
}

TEST(GrpcFramingTest, AGzipBombIsRefusedBeforeItIsAllUnpacked) {
  const auto decode = [](size_t mebibytes) {
    auto packed = net::Compress(net::Compression::kGzip, std::string(mebibytes << 20, '\0'));
    const net::Request request =
        RequestWith(Framed(packed->view(), true), {{"grpc-encoding", "gzip"}});
    return DecodeUnaryMessage(request, kMaxMessageBytes).status().code();
  };
  EXPECT_EQ(decode(100), absl::StatusCode::kOk);
  EXPECT_EQ(decode(101), absl::StatusCode::kResourceExhausted);
}

TEST(GrpcFramingTest, AnswerIsCompressedOnlyWhenAskedAndWorthIt) {
  const auto answer = [](size_t bytes, bool gzip) {
    return MessageResponse({base::Buffer::FromString(std::string(kPrefixBytes + bytes, 'a'))},
                           gzip);
  };
  EXPECT_EQ(answer(5000, false).body[0].data()[0], 0);
  EXPECT_EQ(answer(100, true).body[0].data()[0], 0);
  const net::Response packed = answer(5000, true);
  EXPECT_EQ(packed.body[0].data()[0], 1);
  EXPECT_EQ(packed.headers.back().name, "grpc-encoding");
  EXPECT_EQ(net::Decompress(net::Compression::kGzip, packed.body[1].view(), 5000)->size(), 5000u);
}

class RecordedStream final : public MessageStream {
 public:
  RecordedStream() : MessageStream(nullptr) {}

  std::vector<std::string> messages;
  bool is_half_closed = false;

 private:
  void OnMessage(std::string_view message) override { messages.emplace_back(message); }
  void OnHalfClose() override { is_half_closed = true; }
};

TEST(MessageStreamTest, MessagesComeOutWholeHoweverTheyAreCut) {
  const std::string sent = Framed("one") + Framed("") + Framed("three");
  for (size_t step = 1; step <= sent.size(); ++step) {
    RecordedStream stream;
    for (size_t at = 0; at < sent.size(); at += step) stream.OnData(sent.substr(at, step));
    stream.OnEnd();
    EXPECT_THAT(stream.messages, ::testing::ElementsAre("one", "", "three")) << step;
    EXPECT_TRUE(stream.is_half_closed);
  }
}

TEST(MessageStreamTest, ARunOfTinyMessagesTakesTimeInProportion) {
  constexpr size_t kMessages = 1'000'000;
  RecordedStream stream;
  stream.OnData(std::string(kMessages * kPrefixBytes, '\0'));  // moved each time: half an hour
  EXPECT_EQ(stream.messages.size(), kMessages);
}

}  // namespace
}  // namespace baton::frontend::grpc
