#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "loadgen/histogram.h"

namespace baton::loadgen {

enum class Protocol { kGrpc, kRest };

// What to send, where, how often at once and for how long.
struct LoadOptions {
  Protocol protocol = Protocol::kGrpc;
  std::string host = "127.0.0.1";  // a numeric address, or a name
  uint16_t port = 8500;
  int connections = 8;  // over all threads
  int streams = 8;      // requests at once on each gRPC connection; REST has one
  int threads = 1;
  absl::Duration warmup = absl::Seconds(1);  // not counted
  absl::Duration duration = absl::Seconds(10);
  std::string path;  // "/tensorflow.serving.PredictionService/Predict", "/v1/models/m:predict"
  std::string body;  // the message without gRPC's prefix, or the JSON text
  std::optional<std::string> expected;  // the answer's message or text, byte for byte
  int server_pid = 0;                   // whose CPU time to measure; 0: nobody's
};

// What came of it. Only answers inside the measured time count.
struct LoadReport {
  uint64_t requests = 0;                    // answered, well or badly
  uint64_t good = 0;                        // answered as they should be
  std::map<std::string, uint64_t> errors;   // by what went wrong
  absl::Duration elapsed;                   // measured time
  Histogram latency;                        // of good answers
  std::optional<double> server_cpu_micros;  // per request
  double own_cpu_micros = 0;                // per request: what the measuring itself took
};

// Runs the load and returns when its time is over. Errors: kInvalidArgument for options that make
// no sense; kUnavailable when no connection could be made. Bad answers are counted, not returned.
absl::StatusOr<LoadReport> RunLoad(const LoadOptions& options);

// The report for people, several lines; and for programs, one JSON object.
std::string FormatText(const LoadOptions& options, const LoadReport& report);
std::string FormatJson(const LoadOptions& options, const LoadReport& report);

}  // namespace baton::loadgen
