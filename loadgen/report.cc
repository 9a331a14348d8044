#include <string>

#include "absl/strings/str_format.h"
#include "base/json_escape.h"
#include "loadgen/load.h"

namespace baton::loadgen {
namespace {

struct Mark {
  const char* name;
  double quantile;
};
constexpr Mark kMarks[] = {{"p50", 0.50}, {"p90", 0.90}, {"p95", 0.95}, {"p99", 0.99}};

double Micros(double nanos) { return nanos / 1000; }

double Rate(const LoadReport& report) {
  return static_cast<double>(report.good) / absl::ToDoubleSeconds(report.elapsed);
}

const char* Name(Protocol protocol) { return protocol == Protocol::kGrpc ? "grpc" : "rest"; }

}  // namespace

std::string FormatText(const LoadOptions& options, const LoadReport& report) {
  std::string text = absl::StrFormat("%s, %d connections x %d, %d threads, %.1f s\n",
                                     Name(options.protocol), options.connections,
                                     options.protocol == Protocol::kGrpc ? options.streams : 1,
                                     options.threads, absl::ToDoubleSeconds(report.elapsed));
  absl::StrAppendFormat(&text, "requests    %d, good %d (%.0f/s)\n", report.requests, report.good,
                        Rate(report));
  absl::StrAppendFormat(&text, "latency us  mean %.1f", Micros(report.latency.Mean()));
  for (const Mark& mark : kMarks) {
    absl::StrAppendFormat(&text, "  %s %.1f", mark.name,
                          Micros(static_cast<double>(report.latency.Quantile(mark.quantile))));
  }
  absl::StrAppendFormat(&text, "  max %.1f\n", Micros(static_cast<double>(report.latency.max())));
  absl::StrAppendFormat(&text, "CPU us/req  ");
  if (report.server_cpu_micros.has_value()) {
    absl::StrAppendFormat(&text, "server %.2f, ", *report.server_cpu_micros);
  }
  absl::StrAppendFormat(&text, "load generator %.2f\n", report.own_cpu_micros);
  for (const auto& [what, count] : report.errors) {
    absl::StrAppendFormat(&text, "error       %d x %s\n", count, what);
  }
  return text;
}

std::string FormatJson(const LoadOptions& options, const LoadReport& report) {
  std::string json = absl::StrFormat(
      "{\"protocol\": \"%s\", \"connections\": %d, \"streams\": %d, \"threads\": %d, "
      "\"seconds\": %.3f, \"requests\": %d, \"good\": %d, \"rps\": %.1f, \"latency_us\": "
      "{\"mean\": %.2f",
      Name(options.protocol), options.connections,
      options.protocol == Protocol::kGrpc ? options.streams : 1, options.threads,
      absl::ToDoubleSeconds(report.elapsed), report.requests, report.good, Rate(report),
      Micros(report.latency.Mean()));
  for (const Mark& mark : kMarks) {
    absl::StrAppendFormat(&json, ", \"%s\": %.2f", mark.name,
                          Micros(static_cast<double>(report.latency.Quantile(mark.quantile))));
  }
  absl::StrAppendFormat(&json, ", \"max\": %.2f}, \"own_cpu_us\": %.3f",
                        Micros(static_cast<double>(report.latency.max())), report.own_cpu_micros);
  if (report.server_cpu_micros.has_value()) {
    absl::StrAppendFormat(&json, ", \"server_cpu_us\": %.3f", *report.server_cpu_micros);
  }
  json += ", \"errors\": {";
  const char* separator = "";
  for (const auto& [what, count] : report.errors) {
    json += separator;
    json += '"';
    base::AppendJsonEscaped(what, json);
    absl::StrAppendFormat(&json, "\": %d", count);
    separator = ", ";
  }
  json += "}}";
  return json;
}

}  // namespace baton::loadgen
