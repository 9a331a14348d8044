#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace baton::reqlog {

// What ModelConfig.logging_config says (LoggingConfig, contract §2.7).
struct LoggingConfig {
  // Another rate for some tasks of a job.
  struct PerTask {
    std::string dc = {};                     // empty: any
    std::optional<int32_t> task_index = {};  // unset: any
    double sampling_rate = 0;
    bool operator==(const PerTask&) const = default;
  };

  std::string collector_type = {};
  std::string filename_prefix = {};
  double sampling_rate = 0;  // 0: nothing is logged; 1: everything
  int32_t attributes = 0;
  std::vector<PerTask> per_task = {};
  bool has_custom_config = false;
  bool operator==(const LoggingConfig&) const = default;
};

// Which task of a job this server is, for LoggingConfig::per_task. A server that was told neither
// matches only entries that ask for neither.
struct Task {
  std::string dc = {};
  std::optional<int32_t> index = {};
};

// The rate for `task`: the first entry of per_task that matches, else the general one.
double SamplingRateOf(const LoggingConfig& config, const Task& task);

// Whether a request with this random number, uniform over all 64 bits, is logged at `rate`.
bool IsSampled(double rate, uint64_t random);

// Errors: kInvalidArgument naming the model for a rate that is no probability and a file name
// prefix that cannot be one; kNotFound with the contract's text for an unknown collector (§9).
absl::Status CheckLoggingConfig(const std::string& model, const LoggingConfig& config);

}  // namespace baton::reqlog
