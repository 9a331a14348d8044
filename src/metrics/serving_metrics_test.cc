#include "metrics/serving_metrics.h"

#include <string>

#include "base/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ServingMetricsTest, PrintsCountersTheWayDashboardsKnowThem) {
  ServingMetrics metrics;
  metrics.RequestCount("half_plus_two", "OK").Add(3);
  metrics.RequestCount("nosuch", "NOT_FOUND").Add();
  EXPECT_THAT(metrics.Text(""),
              HasSubstr("# TYPE :tensorflow:serving:request_count counter\n"
                        ":tensorflow:serving:request_count{model_name=\"half_plus_two\",status="
                        "\"OK\"} 3\n"
                        ":tensorflow:serving:request_count{model_name=\"nosuch\",status=\"NOT_"
                        "FOUND\"} 1\n"));
}

TEST(ServingMetricsTest, EveryFamilyHasItsTypeLineFromTheStart) {
  const std::string page = ServingMetrics().Text("");
  for (const char* family :
       {"batching_session:input_batch_size histogram", "batching_session:padding_size histogram",
        "batching_session:processed_batch_size histogram",
        "batching_session:queuing_latency histogram", "batching_session:wrapped_run_count counter",
        "mlmd_map gauge", "model_warmup_latency histogram", "model_warmup_records_read counter",
        "request_count counter", "request_example_count_total counter",
        "request_example_counts histogram", "request_latency histogram",
        "request_log_count counter", "runtime_latency histogram"}) {
    EXPECT_THAT(page, HasSubstr(base::StrCat("# TYPE :tensorflow:serving:", family, "\n")));
  }
  EXPECT_THAT(page, Not(HasSubstr("# HELP")));
}

TEST(ServingMetricsTest, ASampleOnABoundCountsInTheNextBucket) {
  ServingMetrics metrics;
  metrics.ObserveInputBatch(2);
  const std::string page = metrics.Text("");
  EXPECT_THAT(page, HasSubstr("input_batch_size_bucket{le=\"2\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("input_batch_size_bucket{le=\"4\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("input_batch_size_bucket{le=\"+Inf\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("input_batch_size_sum{} 2\n"));
  EXPECT_THAT(page, HasSubstr("input_batch_size_count{} 1\n"));
}

TEST(ServingMetricsTest, LatencyBucketsHaveTheContractsLimits) {
  ServingMetrics metrics;
  metrics.RequestLatency("m", "predict", "REST").Observe(1542);
  const std::string page = metrics.Text("");
  constexpr const char* kLimits[] = {
      "10",          "18",          "32.4",        "58.32",       "104.976",     "188.957",
      "340.122",     "612.22",      "1102",        "1983.59",     "3570.47",     "6426.84",
      "11568.3",     "20823",       "37481.3",     "67466.4",     "121440",      "218591",
      "393464",      "708235",      "1.27482e+06", "2.29468e+06", "4.13043e+06", "7.43477e+06",
      "1.33826e+07", "2.40887e+07", "4.33596e+07", "7.80473e+07", "1.40485e+08", "2.52873e+08",
      "4.55172e+08", "8.19309e+08", "1.47476e+09", "+Inf"};
  size_t at = 0;
  for (const char* limit : kLimits) {
    const std::string line = base::StrCat(
        ":tensorflow:serving:request_latency_bucket{model_name=\"m\",API=\"predict\",entrypoint="
        "\"REST\",le=\"",
        limit, "\"} ");
    const size_t found = page.find(line, at);
    ASSERT_NE(found, std::string::npos) << line;
    at = found;
  }
}

TEST(ServingMetricsTest, EngineFamiliesAreMergedInOrderOfTheirNames) {
  const std::string page = ServingMetrics().Text(
      "# TYPE :tensorflow:core:graph_runs counter\n:tensorflow:core:graph_runs{} 7\n"
      "# TYPE :tensorflow:tpu:x counter\n");
  const size_t core = page.find(":tensorflow:core:graph_runs{} 7\n");
  const size_t serving = page.find("# TYPE :tensorflow:serving:batching_session");
  const size_t tpu = page.find("# TYPE :tensorflow:tpu:x counter\n");
  ASSERT_NE(tpu, std::string::npos);
  EXPECT_LT(core, serving);
  EXPECT_LT(serving, tpu);
}

TEST(ServingMetricsTest, NamesThatClientsInventAreBounded) {
  ServingMetrics metrics;
  for (size_t i = 0; i < ServingMetrics::kMaxNames + 50; ++i) {
    metrics.RequestCount(base::StrCat("m", i), "NOT_FOUND").Add();
  }
  EXPECT_THAT(metrics.Text(""),
              HasSubstr("request_count{model_name=\"(other)\",status=\"NOT_FOUND\"} 50\n"));
}

TEST(ServingMetricsTest, NamesWithoutAModelAreCutAndTakeHalfOfTheRoom) {
  ServingMetrics metrics;
  for (size_t i = 0; i < ServingMetrics::kMaxNames; ++i) {
    metrics.RequestCount(base::StrCat("m", i), "NOT_FOUND", /*is_served=*/false).Add();
  }
  metrics.RequestCount("served", "OK").Add();
  metrics.RequestCount(std::string(1000, 'x'), "OK").Add();
  const std::string page = metrics.Text("");
  EXPECT_THAT(page, HasSubstr("request_count{model_name=\"(other)\",status=\"NOT_FOUND\"} 5000\n"));
  EXPECT_THAT(page, HasSubstr("request_count{model_name=\"served\",status=\"OK\"} 1\n"));
  EXPECT_THAT(page, HasSubstr(base::StrCat("\"", std::string(256, 'x'), "\"")));
}

TEST(ServingMetricsTest, TheFirstCellOfAMetricIsFoundByItsRawName) {
  const std::string page =
      "# TYPE :a:b counter\n:a:b{x=\"1\"} 7\n:a:b{x=\"2\"} 9\n# TYPE :a:bc gauge\n:a:bc{} -3\n"
      "# TYPE :empty counter\n";
  EXPECT_EQ(FirstCell(page, "/a/b"), 7);
  EXPECT_EQ(FirstCell(page, "/a/bc"), -3);
  EXPECT_EQ(FirstCell(page, "/empty"), 0);
  EXPECT_EQ(FirstCell(page, "/nosuch"), 0);
  EXPECT_EQ(FirstCell(page, ""), 0);
  EXPECT_EQ(FirstCell("", "/a/b"), 0);
}

TEST(ServingMetricsTest, LabelValuesCannotBreakALine) {
  ServingMetrics metrics;
  metrics.RequestCount("a\"b\\c\nd", "OK").Add();
  EXPECT_THAT(metrics.Text(""), HasSubstr("model_name=\"a\\\"b\\\\c\\nd\""));
}

}  // namespace
}  // namespace baton::metrics
