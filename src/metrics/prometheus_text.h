#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "metrics/metric.h"

namespace baton::metrics {

// The Prometheus text exposition format, version 0.0.4, piece by piece. Pure functions that append
// to `out`.

// The inside of a sample's braces: a="1",b="x". Values are escaped; bytes that are no UTF-8 become
// U+FFFD, because one of them makes a scraper refuse the whole page.
std::string LabelText(const std::vector<std::pair<std::string, std::string>>& labels);

// The HELP and TYPE lines of a family.
void AppendHead(std::string_view family, std::string_view help, std::string_view type,
                std::string& out);
void AppendSample(std::string_view name, std::string_view label_text, double value,
                  std::string& out);
// The cumulative buckets, the sum and the count.
void AppendHistogram(std::string_view family, std::string_view label_text,
                     const Histogram::Snapshot& histogram, std::string& out);

}  // namespace baton::metrics
