#include "metrics_page.h"

#include <cctype>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/strings/str_format.h"
#include "tensorflow/core/lib/monitoring/collection_registry.h"

namespace baton::tf_engine {
namespace {

namespace monitoring = tsl::monitoring;

bool IsWordCharacter(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

std::string PageName(std::string_view name) {
  std::string mapped;
  if (!name.empty() && name[0] >= '0' && name[0] <= '9') mapped = "_";
  for (char c : name) mapped += IsWordCharacter(c) || c == '_' ? c : ':';
  return mapped;
}

const char* KindName(const monitoring::MetricDescriptor& metric) {
  switch (metric.metric_kind) {
    case monitoring::MetricKind::kGauge:
      return "gauge";
    case monitoring::MetricKind::kCumulative:
      return metric.value_type == monitoring::ValueType::kHistogram ? "histogram" : "counter";
  }
  return "untyped";
}

// `name="value",...` of one cell.
std::string Labels(const monitoring::Point& point) {
  std::string labels;
  for (const monitoring::Point::Label& label : point.labels) {
    if (!labels.empty()) labels += ',';
    for (char c : label.name) labels += IsWordCharacter(c) ? c : '_';
    labels += "=\"";
    for (char c : label.value) {
      if (c == '\\' || c == '"') labels += '\\';
      labels += c;
    }
    labels += '"';
  }
  return labels;
}

void PrintHistogram(const std::string& name, const monitoring::Point& point, std::string* page) {
  const std::string labels = Labels(point);
  const char* comma = labels.empty() ? "" : ",";
  const tensorflow::HistogramProto& histogram = point.histogram_value;
  int64_t count = 0;
  for (int i = 0; i < histogram.bucket_size(); ++i) {
    count += static_cast<int64_t>(histogram.bucket(i));
    const bool is_last = i + 1 == histogram.bucket_size() || i >= histogram.bucket_limit_size();
    const std::string limit = is_last ? "+Inf" : absl::StrFormat("%g", histogram.bucket_limit(i));
    absl::StrAppendFormat(page, "%s_bucket{%s%sle=\"%s\"} %d\n", name, labels, comma, limit, count);
  }
  absl::StrAppendFormat(page, "%s_sum{%s} %g\n", name, labels, histogram.sum());
  absl::StrAppendFormat(page, "%s_count{%s} %d\n", name, labels,
                        static_cast<int64_t>(histogram.num()));
}

}  // namespace

std::string PrintMetrics(const monitoring::CollectedMetrics& metrics) {
  std::string page;
  for (const auto& [raw_name, metric] : metrics.metric_descriptor_map) {
    const std::string name = PageName(raw_name);
    absl::StrAppendFormat(&page, "# TYPE %s %s\n", name, KindName(*metric));
    const auto cells = metrics.point_set_map.find(raw_name);
    if (cells == metrics.point_set_map.end()) continue;
    for (const std::unique_ptr<monitoring::Point>& point : cells->second->points) {
      if (point->value_type == monitoring::ValueType::kHistogram) {
        PrintHistogram(name, *point, &page);
        continue;
      }
      const bool is_integer = point->value_type == monitoring::ValueType::kInt64;
      absl::StrAppendFormat(&page, "%s{%s} %d\n", name, Labels(*point),
                            is_integer ? point->int64_value : 0);
    }
  }
  return page;
}

std::string RuntimeMetricsPage() {
  return PrintMetrics(*monitoring::CollectionRegistry::Default()->CollectMetrics({}));
}

}  // namespace baton::tf_engine
