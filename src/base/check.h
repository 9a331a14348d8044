#pragma once

// BATON_CHECK ends the process when an invariant of our own code is broken. Bytes from the network,
// from a configuration file or from a model directory never reach one: those are absl::Status.

namespace baton::base {
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);
}  // namespace baton::base

#define BATON_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::baton::base::CheckFailed(__FILE__, __LINE__, #condition))
