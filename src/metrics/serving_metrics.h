#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "metrics/registry.h"

namespace baton::metrics {

// TensorFlow Serving's own metrics (contract §8.3), beside ours: same names, labels, order and
// scales, so that existing dashboards keep working. Everything is counted whether or not anybody
// has switched on the page (--monitoring_config_file).
//
// A name that comes from a client is used as it came, as there, but for no more than kMaxNames
// different ones; later ones are counted as "(other)". Names that no model has may take half of
// that, and are cut to kMaxNameBytes.
//
// Threads: thread-safe. Owner: server/; everyone else borrows. Errors: none.
class ServingMetrics {
 public:
  static constexpr size_t kMaxNames = 10000;
  static constexpr size_t kMaxNameBytes = 256;

  ServingMetrics();
  ~ServingMetrics();

  // Cells to keep, for hot paths; they live as long as this object.
  Counter& RequestCount(std::string_view model, std::string_view status, bool is_served = true);
  // `api`: "Predict" over gRPC, "predict" over REST; `entrypoint`: "GRPC" or "REST". Microseconds.
  Histogram& RequestLatency(std::string_view model, std::string_view api,
                            std::string_view entrypoint);
  // `api` is capitalised for both doors; the runtime is "TF1". Microseconds.
  Histogram& RuntimeLatency(std::string_view model, std::string_view api);

  // MultiInference only.
  void CountExamples(std::string_view model, int64_t examples);
  void CountRequestLog(std::string_view model, std::string_view status);
  void CountWarmupRecord(std::string_view path, std::string_view status);
  void ObserveWarmup(std::string_view path, std::string_view status, double micros);

  // Of --enable_batching.
  void ObserveQueuing(std::string_view thread_pool_name, double micros);
  void CountBatch();
  void ObservePadding(int64_t execution_batch_size, int64_t rows);
  void ObserveInputBatch(int64_t rows);      // once per input tensor of a request
  void ObserveProcessedBatch(int64_t rows);  // rounded up

  // The page as TensorFlow Serving prints it (contract §8.2). `engine_page`: families that engines
  // print themselves in the same form; both are merged in order of their names.
  std::string Text(std::string_view engine_page) const;

 private:
  class Families;
  const std::unique_ptr<Families> families_;
};

// The value of the first cell that a page of that form has for the metric with the raw name
// ("/tensorflow/core/session_created"); 0 for a metric without cells.
int64_t FirstCell(std::string_view page, std::string_view raw_name);

}  // namespace baton::metrics
