#pragma once

#include "metrics/registry.h"

namespace baton::metrics {

// Registers the standard process_* metrics, read from /proc at every scrape: CPU seconds, resident
// and virtual memory, open and allowed file descriptors, threads, start time. A value that cannot
// be read is NaN.
void AddProcessMetrics(Registry& registry);

}  // namespace baton::metrics
