#pragma once

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace baton::base {

// Source of time, injected so that policies and loops are tested without sleeping.
//
// Threads: thread-safe. Owner: the process (Clock::Real()) or a test. Errors: none.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;

  static const Clock& Real();
};

}  // namespace baton::base
