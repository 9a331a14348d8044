#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "base/clock.h"
#include "lifecycle/version_policy.h"

namespace baton::lifecycle {

// A version that should serve, and where it lies.
struct DesiredVersion {
  int64_t version = 0;
  std::string path;
};

// A base path to look at, and which of its versions should serve.
struct WatchedModel {
  std::string base_path;
  VersionPolicy policy;
  bool operator==(const WatchedModel&) const = default;
};

// How a version is loaded.
struct LoadOptions {
  uint32_t max_load_retries = 5;  // after the first attempt
  absl::Duration load_retry_interval = absl::Seconds(60);
  const base::Clock* clock = &base::Clock::Real();
};

}  // namespace baton::lifecycle
