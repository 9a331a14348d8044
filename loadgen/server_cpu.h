#pragma once

#include <cstdint>

#include "absl/status/statusor.h"

namespace baton::loadgen {

// CPU time that a process's live threads have used so far, from /proc/PID/task/*/schedstat
// (nanoseconds, where /proc/PID/stat counts in hundredths of a second). Errors: kNotFound when
// there is no such process.
absl::StatusOr<uint64_t> CpuNanosOf(int pid);

}  // namespace baton::loadgen
