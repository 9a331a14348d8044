#include "server/channel_arguments.h"

#include "base/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ChannelSettings Apply(std::string_view arguments, std::vector<std::string>* warnings) {
  ChannelSettings settings;
  const absl::Status status = ApplyChannelArguments(arguments, settings, warnings);
  EXPECT_TRUE(status.ok()) << status;
  return settings;
}

TEST(ChannelArgumentsTest, EveryArgumentOfAServerOfOursTakesEffect) {
  const struct {
    const char* text;
    bool (*holds)(const ChannelSettings&);
  } rows[] = {
      {"grpc.max_connection_age_ms=1500",
       [](const auto& s) { return s.limits.http2.max_connection_age == absl::Seconds(1.5); }},
      {"grpc.max_connection_age_ms=2147483647",
       [](const auto& s) { return s.limits.http2.max_connection_age == absl::InfiniteDuration(); }},
      {"grpc.max_connection_age_grace_ms=0",
       [](const auto& s) {
         return s.limits.http2.max_connection_age_grace == absl::ZeroDuration();
       }},
      {"grpc.max_connection_idle_ms=20",
       [](const auto& s) { return s.limits.http2.max_connection_idle == absl::Milliseconds(20); }},
      {"grpc.keepalive_time_ms=30",
       [](const auto& s) { return s.limits.http2.keepalive_time == absl::Milliseconds(30); }},
      {"grpc.keepalive_timeout_ms=40",
       [](const auto& s) { return s.limits.http2.keepalive_timeout == absl::Milliseconds(40); }},
      {"grpc.keepalive_permit_without_calls=1",
       [](const auto& s) {
         return s.limits.http2.keepalive_without_calls && s.limits.http2.max_ping_strikes == 0;
       }},
      {"grpc.http2.min_ping_interval_without_data_ms=5000",
       [](const auto& s) {
         return s.limits.http2.min_ping_interval == absl::Seconds(5) &&
                s.limits.http2.max_ping_strikes == 2;
       }},
      {"grpc.http2.max_ping_strikes=7",
       [](const auto& s) {
         return s.limits.http2.min_ping_interval == absl::Minutes(5) &&
                s.limits.http2.max_ping_strikes == 7;
       }},
      {"grpc.http2.max_frame_size=16384",
       [](const auto& s) { return s.limits.http2.max_frame_bytes == 16384; }},
      {"grpc.max_metadata_size=9000",
       [](const auto& s) { return s.limits.http2.max_header_bytes == 9000; }},
      {"grpc.absolute_max_metadata_size=9001",
       [](const auto& s) { return s.limits.http2.max_header_bytes == 9001; }},
      {"grpc.max_concurrent_streams=3",
       [](const auto& s) { return s.limits.max_concurrent_streams == 3; }},
      {"grpc.server_handshake_timeout_ms=7000",
       [](const auto& s) {
         return s.limits.tls_handshake_timeout == absl::Seconds(7) &&
                s.limits.http2.preface_timeout == absl::Seconds(7);
       }},
      {"grpc.max_receive_message_length=4194304",
       [](const auto& s) { return s.messages.max_request_bytes == 4194304; }},
      {"grpc.max_receive_message_length=-1",
       [](const auto& s) { return s.messages.max_request_bytes == 2147483647; }},
      {"grpc.max_send_message_length=100",
       [](const auto& s) { return s.messages.max_reply_bytes == 100; }},
      {"grpc.max_send_message_length=-1",
       [](const auto& s) { return s.messages.max_reply_bytes == UINT32_MAX; }},
      {"grpc.default_compression_algorithm=2",
       [](const auto& s) { return s.messages.gzip_replies; }},
      {"grpc.default_compression_level=0", [](const auto& s) { return !s.messages.gzip_replies; }},
      {"grpc.so_reuseport=1", [](const auto& s) { return s.shares_port; }},
      {"grpc.so_reuseport=0", [](const auto& s) { return !s.shares_port; }},
      {"grpc.so_reuseaddr=1", [](const auto& s) { return !s.shares_port; }},
      {"grpc.max_concurrent_streams=3,grpc.max_concurrent_streams=4",
       [](const auto& s) { return s.limits.max_concurrent_streams == 4; }},
      {"grpc.max_concurrent_streams= 5 ,,",
       [](const auto& s) { return s.limits.max_concurrent_streams == 5; }},
      {"grpc.max_concurrent_streams=6=7",
       [](const auto& s) { return s.limits.max_concurrent_streams == 6; }},
      {"", [](const auto& s) { return s.limits.max_concurrent_streams == 1024; }},
  };
  for (const auto& row : rows) {
    std::vector<std::string> warnings;
    EXPECT_TRUE(row.holds(Apply(row.text, &warnings))) << row.text;
    EXPECT_THAT(warnings, IsEmpty()) << row.text;
  }
}

TEST(ChannelArgumentsTest, WhatChangesNothingIsNamedOnce) {
  std::vector<std::string> warnings;
  const ChannelSettings settings = Apply(
      "a=1,grpc.lb_policy_name=grpclb,grpc.keepalive_time_ms=soon,grpc.http2.max_frame_size=1",
      &warnings);
  EXPECT_THAT(
      warnings,
      ElementsAre("--grpc_channel_arguments: a has no effect on this server",
                  "--grpc_channel_arguments: grpc.lb_policy_name has no effect on this server",
                  "--grpc_channel_arguments: grpc.keepalive_time_ms=soon is ignored: it must be a "
                  "number from 1 to 2147483647",
                  "--grpc_channel_arguments: grpc.http2.max_frame_size=1 is ignored: it must be a "
                  "number from 16384 to 16777215"));
  EXPECT_EQ(settings.limits.http2.keepalive_time, absl::Hours(2));
  EXPECT_EQ(settings.limits.http2.max_frame_bytes, 1u << 20);
}

TEST(ChannelArgumentsTest, AnItemWithoutAnEqualsSignIsAnErrorAndNothingIsApplied) {
  ChannelSettings settings;
  std::vector<std::string> warnings;
  const absl::Status status =
      ApplyChannelArguments("grpc.max_concurrent_streams=3,oops", settings, &warnings);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(base::Message(status)), HasSubstr("\"oops\" has no \"=\""));
  EXPECT_EQ(settings.limits.max_concurrent_streams, 1024u);
}

}  // namespace
}  // namespace baton::server
