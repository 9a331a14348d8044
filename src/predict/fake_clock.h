#pragma once

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "base/clock.h"

namespace baton::predict {

// A clock that stands still until a test moves it. Starts at 1000 s after the epoch. Threads:
// thread-safe.
class FakeClock final : public base::Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixNanos(nanos_.load()); }
  void Advance(absl::Duration step) { nanos_.fetch_add(absl::ToInt64Nanoseconds(step)); }

 private:
  std::atomic<int64_t> nanos_{1000 * int64_t{1000000000}};
};

}  // namespace baton::predict
