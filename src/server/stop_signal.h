#pragma once

#include <string>

#include "absl/time/time.h"

namespace baton::server {

// SIGTERM and SIGINT as something the main thread waits for, together with a wake-up from other
// threads. Construct it before any other thread starts: every thread inherits the blocked signals.
//
// Threads: Wait on the main thread; Notify from any. Owner: main. Errors: none.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  enum class Event { kSignal, kNotified, kTimeout };
  Event Wait(absl::Duration timeout = absl::InfiniteDuration());
  void Notify();

  // Who sent the signal that ended the last Wait, for the log: "SIGTERM from process 7".
  const std::string& sender() const { return sender_; }

 private:
  int signal_fd_ = -1;
  int wake_fd_ = -1;
  std::string sender_;
};

}  // namespace baton::server
