#include "net/http2_lifetime.h"

#include <algorithm>

namespace baton::net {
namespace {

// gRPC's: a client without calls has no reason to ping.
constexpr absl::Duration kPingIntervalOfIdle = absl::Hours(2);

}  // namespace

Http2Lifetime::Http2Lifetime(const Limits& limits, absl::Time now, double spread)
    : limits_(limits),
      started_(now),
      old_at_(now + limits.http2.max_connection_age * (1 + spread / 10)),
      last_input_(now),
      idle_since_(now) {}

bool Http2Lifetime::AllowsPing(absl::Time now, size_t open_calls) {
  const Http2Limits& limits = limits_.http2;
  if (limits.max_ping_strikes == 0) return true;
  const bool is_idle = open_calls == 0 && !limits.keepalive_without_calls;
  const absl::Time allowed =
      pings_.last + (is_idle ? kPingIntervalOfIdle : limits.min_ping_interval);
  pings_.last = now;
  return allowed <= now || ++pings_.strikes <= limits.max_ping_strikes;
}

bool Http2Lifetime::MayPing(const Connection& connection) const {
  return connection.has_settings && connection.is_reading &&
         (connection.open_calls > 0 || limits_.http2.keepalive_without_calls);
}

// Old, or unused for too long.
bool Http2Lifetime::IsDrained(absl::Time now, const Connection& connection) const {
  return now >= old_at_ ||
         (connection.open_calls == 0 && now >= idle_since_ + limits_.http2.max_connection_idle);
}

Http2Lifetime::Verdict Http2Lifetime::Check(absl::Time now, const Connection& connection) {
  const Http2Limits& limits = limits_.http2;
  if (!connection.is_reading) OnInput(now);  // nobody can tell
  if (is_heard_) pinged_at_ = absl::InfiniteFuture();

  if (!connection.has_settings && now >= started_ + limits.preface_timeout) {
    return Verdict::kCutOff;
  }
  if (now >= connection.half_a_head_since + limits_.header_timeout) return Verdict::kCutOff;
  if (now >= pinged_at_ + limits.keepalive_timeout) return Verdict::kCutOff;
  if (now >= told_to_go_at_ + limits.max_connection_age_grace) return Verdict::kCutOff;
  if (connection.has_half_a_body && now >= last_input_ + limits_.body_timeout) {
    return Verdict::kDropBodies;
  }
  if (told_to_go_at_ == absl::InfiniteFuture() && IsDrained(now, connection)) {
    told_to_go_at_ = pinged_at_ = now;  // the peer has to answer this
    is_heard_ = false;
    return Verdict::kGoAway;
  }
  if (pinged_at_ == absl::InfiniteFuture() && MayPing(connection) &&
      now >= last_input_ + limits.keepalive_time) {
    pinged_at_ = now;
    is_heard_ = false;
    return Verdict::kPing;
  }
  return Verdict::kStay;
}

// The earliest of all that is under way, and of all that may begin right after.
absl::Time Http2Lifetime::NextCheck(absl::Time now, const Connection& connection) const {
  const Http2Limits& limits = limits_.http2;
  absl::Time next = now + std::min(limits_.header_timeout, limits_.body_timeout) / 2;
  if (!connection.has_settings) next = std::min(next, started_ + limits.preface_timeout);
  next = std::min(next, connection.half_a_head_since + limits_.header_timeout);
  if (connection.has_half_a_body) next = std::min(next, last_input_ + limits_.body_timeout);
  const bool is_pinged = pinged_at_ != absl::InfiniteFuture();
  if (is_pinged) next = std::min(next, pinged_at_ + limits.keepalive_timeout);
  const absl::Time silent_from = MayPing(connection) && !is_pinged ? last_input_ : now;
  next = std::min(next, silent_from + limits.keepalive_time);
  if (told_to_go_at_ != absl::InfiniteFuture()) {
    next = std::min(next, told_to_go_at_ + limits.max_connection_age_grace);
  } else {
    const absl::Time idle_from = connection.open_calls == 0 ? idle_since_ : now;
    next = std::min({next, old_at_, idle_from + limits.max_connection_idle});
  }
  return std::max(next, now + absl::Milliseconds(1));
}

}  // namespace baton::net
