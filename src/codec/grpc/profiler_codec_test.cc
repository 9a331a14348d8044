#include "codec/grpc/profiler_codec.h"

#include "gtest/gtest.h"
#include "tsl/profiler/protobuf/profiler_service.pb.h"

namespace baton::codec::grpc {
namespace {

TEST(ProfilerCodecTest, ReadsWhatTheEngineAndTheClockNeed) {
  tensorflow::ProfileRequest message;
  message.set_duration_ms(7);
  message.set_session_id("2026_11_20");
  message.set_repository_root("/etc");
  message.add_tools("op_profile");
  auto request = ParseProfileRequest(message.SerializeAsString());
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->duration, absl::Milliseconds(7));
  EXPECT_EQ(request->session_id, "2026_11_20");
  EXPECT_EQ(request->options, "");
  EXPECT_FALSE(request->emit_xspace);

  message.mutable_opts()->set_duration_ms(1000);
  message.mutable_opts()->set_host_tracer_level(2);
  message.set_emit_xspace(true);
  request = ParseProfileRequest(message.SerializeAsString());
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->duration, absl::Seconds(1));  // the options' wins
  EXPECT_EQ(request->options, message.opts().SerializeAsString());
  EXPECT_TRUE(request->emit_xspace);
}

TEST(ProfilerCodecTest, OptionsInPartsMergeAsProtobufMergesThem) {
  tensorflow::ProfileRequest first, second;
  first.mutable_opts()->set_duration_ms(5);
  second.mutable_opts()->set_host_tracer_level(3);
  const auto request = ParseProfileRequest(first.SerializeAsString() + second.SerializeAsString());
  ASSERT_TRUE(request.ok());
  tensorflow::ProfileOptions options;
  ASSERT_TRUE(options.ParseFromString(request->options));
  EXPECT_EQ(options.duration_ms(), 5u);
  EXPECT_EQ(options.host_tracer_level(), 3u);
}

TEST(ProfilerCodecTest, AHugeDurationIsHugeAndNotNegative) {
  tensorflow::ProfileRequest message;
  message.set_duration_ms(UINT64_MAX);
  EXPECT_GT(ParseProfileRequest(message.SerializeAsString())->duration, absl::Hours(24 * 365));
}

TEST(ProfilerCodecTest, MalformedMessagesAreRefused) {
  for (const std::string& bytes : {std::string("\x22\x05"), std::string("\x22\x01\x48", 3)}) {
    EXPECT_EQ(ParseProfileRequest(bytes).status(),
              absl::InvalidArgumentError("malformed ProfileRequest"));
  }
  EXPECT_EQ(ParseTerminateRequest("\x0a\x05").status(),
            absl::InvalidArgumentError("malformed TerminateRequest"));
  EXPECT_EQ(*ParseTerminateRequest(std::string("\x0a\x01x", 3)), "x");
}

TEST(ProfilerCodecTest, TheTraceIsAFileOrAMessageOrEmpty) {
  tensorflow::profiler::XSpace space;
  space.add_hostnames("here");
  const std::string bytes = space.SerializeAsString();
  tensorflow::ProfileResponse response;
  ASSERT_TRUE(response.ParseFromString(EncodeProfileResponse(bytes, false)));
  ASSERT_EQ(response.tool_data_size(), 1);
  EXPECT_EQ(response.tool_data(0).name(), "xplane.pb");
  EXPECT_EQ(response.tool_data(0).data(), bytes);
  EXPECT_FALSE(response.empty_trace());
  ASSERT_TRUE(response.ParseFromString(EncodeProfileResponse(bytes, true)));
  EXPECT_EQ(response.tool_data_size(), 0);
  EXPECT_EQ(response.xspace().hostnames(0), "here");
  ASSERT_TRUE(response.ParseFromString(EncodeProfileResponse("", true)));
  EXPECT_TRUE(response.empty_trace());
}

}  // namespace
}  // namespace baton::codec::grpc
