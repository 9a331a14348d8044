#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"
#include "net/limits.h"

namespace baton::net {

// How long an HTTP/2 connection may go on, and what is done about silence: decides, and does
// nothing itself. Asked rarely, told of every read and so cheap there.
//
// Threads: confined to the connection's loop. Owner: the session. Errors: none.
class Http2Lifetime {
 public:
  // What the session knows at the moment it asks.
  struct Connection {
    size_t open_calls = 0;
    bool has_settings = false;  // the peer's preface and settings are here
    // When the block of header fields began that is not complete.
    absl::Time half_a_head_since = absl::InfiniteFuture();
    bool has_half_a_body = false;  // a request with a known end has not ended
    bool is_reading = true;        // false: silence is of our own making
  };
  enum class Verdict {
    kStay,
    kPing,        // ask whether the peer is there
    kGoAway,      // no new calls; those that are open may finish
    kDropBodies,  // requests that have not ended never will
    kCutOff,
  };

  // `spread` is uniform in [-1, 1]: moves the age by up to a tenth.
  Http2Lifetime(const Limits& limits, absl::Time now, double spread);

  void OnInput(absl::Time now) {
    last_input_ = now;
    is_heard_ = true;
  }
  void OnIdle(absl::Time now) { idle_since_ = now; }  // the last open call is gone

  // False: the peer pings more often than it may. OnAnswer: we sent something of use between.
  bool AllowsPing(absl::Time now, size_t open_calls);
  void OnAnswer() { pings_ = {}; }

  // What is due now, one thing at a time: ask again until it is kStay.
  Verdict Check(absl::Time now, const Connection& connection);
  // When to ask again, after kStay.
  absl::Time NextCheck(absl::Time now, const Connection& connection) const;

 private:
  struct Pings {
    absl::Time last = absl::InfinitePast();
    uint32_t strikes = 0;
  };

  bool IsDrained(absl::Time now, const Connection& connection) const;
  bool MayPing(const Connection& connection) const;

  const Limits& limits_;
  const absl::Time started_;
  const absl::Time old_at_;
  absl::Time last_input_;
  absl::Time idle_since_;
  absl::Time pinged_at_ = absl::InfiniteFuture();  // while its answer is awaited
  bool is_heard_ = false;                          // since then
  absl::Time told_to_go_at_ = absl::InfiniteFuture();
  Pings pings_;
};

}  // namespace baton::net
