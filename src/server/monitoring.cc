#include "server/monitoring.h"

#include "base/log.h"
#include "base/strings.h"
#include "server/config_file.h"
#include "tensorflow_serving/config/monitoring_config.pb.h"

namespace baton::server {

std::string MonitoringPath(const Options& options) {
  const std::string& file = options.monitoring_config_file;
  if (file.empty()) return "";
  if (options.rest_api_port == 0) {
    base::LogWarning("--monitoring_config_file has no effect without --rest_api_port");
    return "";
  }
  tensorflow::serving::MonitoringConfig config;
  if (const absl::Status status = ReadTextProto(file, &config); !status.ok()) {
    base::LogError(base::StrCat("--monitoring_config_file: ", status.ToString(),
                                "; serving without the monitoring page"));
    return "";
  }
  const tensorflow::serving::PrometheusConfig& prometheus = config.prometheus_config();
  if (!prometheus.enable()) return "";
  return prometheus.path().empty() ? "/monitoring/prometheus/metrics" : prometheus.path();
}

}  // namespace baton::server
