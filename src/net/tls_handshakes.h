#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "net/event_loop.h"
#include "net/limits.h"

namespace baton::net {

// The TLS side of one loop: the handshakes that are not over yet, and the memory all its
// connections encrypt and decrypt with.
//
// A signature takes about a millisecond, so a turn does only a few steps of handshakes; connections
// that wait for theirs are reported again by the level-triggered loop. A handshake that takes too
// long ends, and beyond a number of them the oldest does, because those that make progress are
// young.
//
// Threads: confined to the loop. Owner: the loop's ConnectionOwner. Errors: none.
class TlsHandshakes {
 public:
  static constexpr int kStepsPerTurn = 4;

  class Party {
   public:
    virtual ~Party() = default;
    // It took too long, or must make room. It has left already.
    virtual void OnHandshakeExpired() = 0;
  };
  using Ticket = uint64_t;  // 0: none

  // Both outlive the handshakes.
  TlsHandshakes(EventLoop* loop, const Limits* limits) : loop_(*loop), limits_(*limits) {}

  Ticket Enter(Party* party);
  // Nothing happens when it has left.
  void Leave(Ticket ticket);
  size_t unfinished() const { return parties_.size(); }

  // False: enough was done in this turn.
  bool MayStep() const { return steps_ < kStepsPerTurn; }
  void CountStep();

  // To the log, not oftener than every ten seconds.
  void ReportFailure(std::string_view reason);

  // Memory for one connection at a time.
  std::vector<char>& plain();
  std::string& records() { return records_; }

 private:
  struct Waiting {
    Party* party;
    absl::Time until;
  };

  void Expire();
  void ArmTimer();

  EventLoop& loop_;
  const Limits& limits_;
  std::map<Ticket, Waiting> parties_;  // oldest first
  Ticket last_ticket_ = 0;
  EventLoop::TimerId timer_ = 0;
  int steps_ = 0;
  uint64_t failures_ = 0;  // since the last line in the log
  absl::Time next_report_ = absl::InfinitePast();
  std::vector<char> plain_;
  std::string records_;
};

}  // namespace baton::net
