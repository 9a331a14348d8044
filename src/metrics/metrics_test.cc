#include <cmath>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "metrics/metric.h"
#include "metrics/process_metrics.h"
#include "metrics/registry.h"

namespace baton::metrics {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(HistogramTest, CountsASampleEqualToABoundInThatBoundsBucket) {
  Histogram histogram({1, 2, 4});
  for (double sample : {0.5, 1.0, 1.5, 2.0, 4.0, 4.5}) histogram.Observe(sample);
  const Histogram::Snapshot read = histogram.Read();
  EXPECT_THAT(read.counts, ElementsAre(2, 2, 1, 1));
  EXPECT_EQ(read.count, 6);
  EXPECT_DOUBLE_EQ(read.sum, 13.5);
}

TEST(HistogramTest, IgnoresNotANumber) {
  Histogram histogram({1});
  histogram.Observe(std::numeric_limits<double>::quiet_NaN());
  histogram.Observe(2);
  EXPECT_EQ(histogram.Read().count, 1);
  EXPECT_DOUBLE_EQ(histogram.Read().sum, 2);
}

TEST(HistogramTest, InterpolatesQuantilesInsideTheBucket) {
  const struct {
    std::vector<int64_t> counts;
    double q;
    double expected;
  } rows[] = {
      {{0, 0, 0}, 0.5, 0},    {{10, 0, 0}, 0.5, 5},  {{10, 10, 0}, 0.75, 15},
      {{10, 10, 0}, 1.0, 20}, {{0, 0, 10}, 0.5, 20},  // beyond the last bound: the bound
      {{0, 10, 0}, 0.0, 10},
  };
  for (const auto& row : rows) {
    Histogram::Snapshot snapshot{{10, 20}, row.counts, 0, 0};
    for (int64_t n : row.counts) snapshot.count += n;
    EXPECT_DOUBLE_EQ(snapshot.Quantile(row.q), row.expected) << row.q;
  }
}

TEST(MetricTest, AddsUpOverThreads) {
  Counter counter;
  Histogram histogram({1});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10000; ++i) {
        counter.Add();
        histogram.Observe(i % 2 == 0 ? 0.5 : 2);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter.Value(), 40000);
  EXPECT_THAT(histogram.Read().counts, ElementsAre(20000, 20000));
  EXPECT_DOUBLE_EQ(histogram.Read().sum, 50000);
}

TEST(RegistryTest, WritesThePrometheusTextFormat) {
  Registry registry;
  registry.GetHistogram("c_seconds", "how long", {{"m", "a"}}, {0.00005, 1, 100000}).Observe(0.5);
  registry.GetCounter("b_total", "b", {{"m", "z"}, {"v", "2"}}).Add(3);
  registry.GetCounter("b_total", "b", {{"m", "a"}, {"v", "1"}}).Add(1);
  registry.GetGauge("a", "first", {}).Set(-2.5);
  registry.AddCallback("d", "computed", {}, [] { return 7.0; });
  EXPECT_EQ(registry.PrometheusText(),
            "# HELP a first\n# TYPE a gauge\na -2.5\n"
            "# HELP b_total b\n# TYPE b_total counter\n"
            "b_total{m=\"a\",v=\"1\"} 1\nb_total{m=\"z\",v=\"2\"} 3\n"
            "# HELP c_seconds how long\n# TYPE c_seconds histogram\n"
            "c_seconds_bucket{m=\"a\",le=\"5e-05\"} 0\nc_seconds_bucket{m=\"a\",le=\"1\"} 1\n"
            "c_seconds_bucket{m=\"a\",le=\"100000\"} 1\nc_seconds_bucket{m=\"a\",le=\"+Inf\"} 1\n"
            "c_seconds_sum{m=\"a\"} 0.5\nc_seconds_count{m=\"a\"} 1\n"
            "# HELP d computed\n# TYPE d gauge\nd 7\n");
}

TEST(RegistryTest, EscapesLabelValuesAndHelp) {
  Registry registry;
  registry.GetGauge("a", "back\\slash, \"quote\"\nline", {{"l", "b\\s \"q\"\nline"}}).Set(1);
  EXPECT_EQ(registry.PrometheusText(),
            "# HELP a back\\\\slash, \"quote\"\\nline\n# TYPE a gauge\n"
            "a{l=\"b\\\\s \\\"q\\\"\\nline\"} 1\n");
}

TEST(RegistryTest, ReplacesBytesThatAreNoUtf8InLabels) {
  const struct {
    std::string value, expected;
  } rows[] = {
      {"caf\xC3\xA9", "caf\xC3\xA9"},
      {"\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"},
      {"a\xFFz", "a\xEF\xBF\xBDz"},
      {"\xC3", "\xEF\xBF\xBD"},
      {"\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"},                  // overlong
      {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},  // surrogate
  };
  for (const auto& row : rows) {
    Registry registry;
    registry.GetGauge("a", "h", {{"l", row.value}}).Set(1);
    EXPECT_THAT(registry.PrometheusText(), HasSubstr("a{l=\"" + row.expected + "\"} 1\n"));
  }
}

TEST(RegistryTest, PrintsNumbersThatAreNotFinite) {
  Registry registry;
  registry.GetGauge("a", "h", {}).Set(std::numeric_limits<double>::infinity());
  registry.GetGauge("b", "h", {}).Set(-std::numeric_limits<double>::infinity());
  registry.GetGauge("c", "h", {}).Set(std::nan(""));
  const std::string text = registry.PrometheusText();
  EXPECT_THAT(text, HasSubstr("\na +Inf\n"));
  EXPECT_THAT(text, HasSubstr("\nb -Inf\n"));
  EXPECT_THAT(text, HasSubstr("\nc NaN\n"));
}

TEST(RegistryTest, GivesTheSameCellForTheSameLabels) {
  Registry registry;
  Counter& counter = registry.GetCounter("a", "h", {{"x", "1"}});
  EXPECT_EQ(&counter, &registry.GetCounter("a", "h", {{"x", "1"}}));
  EXPECT_EQ(&counter, registry.ShareCounter("a", "h", {{"x", "1"}}).get());
  EXPECT_NE(&counter, &registry.GetCounter("a", "h", {{"x", "2"}}));
}

TEST(RegistryTest, KeepsARemovedCellValidForThoseWhoHoldIt) {
  Registry registry;
  Counter& counter = registry.GetCounter("a_total", "h", {{"x", "1"}});
  registry.Remove("a_total", {{"x", "1"}});
  registry.Remove("a_total", {{"x", "1"}});
  registry.Remove("unknown", {});
  counter.Add();
  EXPECT_THAT(registry.PrometheusText(), Not(HasSubstr("a_total")));
  EXPECT_NE(&counter, &registry.GetCounter("a_total", "h", {{"x", "1"}}));
}

TEST(RegistryTest, FreesASharedCellWithItsLastHolder) {
  Registry registry;
  std::shared_ptr<Counter> counter = registry.ShareCounter("a_total", "h", {{"x", "1"}});
  registry.Remove("a_total", {{"x", "1"}});
  EXPECT_EQ(counter.use_count(), 1);
}

TEST(RegistryTest, CallbacksMayUseTheRegistry) {
  Registry registry;
  registry.AddCallback("a", "h", {}, [&] {
    registry.GetCounter("looks_total", "h", {}).Add();
    return 1.0;
  });
  EXPECT_THAT(registry.PrometheusText(), HasSubstr("\na 1\n"));
  EXPECT_THAT(registry.PrometheusText(), HasSubstr("\nlooks_total 1\n"));
}

TEST(RegistryDeathTest, RefusesAFamilyOfAnotherTypeOrOtherLabels) {
  Registry registry;
  registry.GetCounter("a", "h", {{"x", "1"}});
  EXPECT_DEATH(registry.GetGauge("a", "h", {{"x", "1"}}), "type");
  EXPECT_DEATH(registry.GetCounter("a", "h", {{"y", "1"}}), "label");
}

TEST(ProcessMetricsTest, ReadsThisProcess) {
  Registry registry;
  AddProcessMetrics(registry);
  const std::string text = registry.PrometheusText();
  EXPECT_THAT(text, HasSubstr("# TYPE process_cpu_seconds_total counter\n"));
  const auto value = [&](const std::string& name) {
    const size_t at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
  };
  EXPECT_GE(value("process_cpu_seconds_total"), 0);
  EXPECT_GT(value("process_resident_memory_bytes"), 1e5);
  EXPECT_GT(value("process_virtual_memory_bytes"), value("process_resident_memory_bytes"));
  EXPECT_GE(value("process_open_fds"), 3);
  EXPECT_GE(value("process_max_fds"), value("process_open_fds"));
  EXPECT_GE(value("process_threads"), 1);
  EXPECT_GT(value("process_start_time_seconds"), 1.5e9);
}

}  // namespace
}  // namespace baton::metrics
