#pragma once

#include <string>

#include "tensorflow/core/lib/monitoring/collected_metrics.h"

namespace baton::tf_engine {

// Metrics as TensorFlow Serving prints them (contract 8.2): names with ':' for '/', no HELP lines,
// gauges that are no integers as 0.
std::string PrintMetrics(const tsl::monitoring::CollectedMetrics& metrics);

// All that TensorFlow counts in this process.
std::string RuntimeMetricsPage();

}  // namespace baton::tf_engine
