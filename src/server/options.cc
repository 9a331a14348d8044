#include "server/options.h"

#include <sched.h>

#include <algorithm>

#include "base/status_macros.h"
#include "base/strings.h"

namespace baton::server {
namespace {

absl::Status CheckRange(std::string_view flag, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      base::StrCat("--", flag, "=", value, " must be between ", low, " and ", high));
}

}  // namespace

int SchedulableCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

size_t CountOrCpus(int32_t count) {
  return static_cast<size_t>(count > 0 ? count : SchedulableCpus());
}

void Options::Register(FlagSet& flags) {
  flags.Add("port", &port,
            "TCP port to listen on for gRPC/HTTP API. Disabled if port set to zero.");
  flags.Add("grpc_socket_path", &grpc_socket_path,
            "If non-empty, listen to a UNIX socket for gRPC API on the given path. Can be either "
            "relative or absolute path.");
  flags.Add("rest_api_port", &rest_api_port,
            "Port to listen on for HTTP/REST API. If set to zero HTTP/REST API will not be "
            "exported. This port must be different than the one specified in --port.");
  flags.Add("rest_api_timeout_in_ms", &rest_api_timeout_in_ms, "Timeout for HTTP/REST API calls.");
  flags.Add("rest_api_enable_cors_support", &rest_api_enable_cors_support,
            "Enable CORS headers in response");
  flags.Add(
      "allow_version_labels_for_unavailable_models", &allow_version_labels_for_unavailable_models,
      "If true, allows assigning unused version labels to models that are not available yet.");
  flags.Add("model_config_file", &model_config_file,
            "If non-empty, read an ascii ModelServerConfig protobuf from the supplied file name, "
            "and serve the models in that file. (If used, --model_name, --model_base_path are "
            "ignored.)");
  flags.Add("model_config_file_poll_wait_seconds", &model_config_file_poll_wait_seconds,
            "Interval in seconds between each poll of the filesystem for model_config_file. If "
            "unset or set to zero, poll will be done exactly once and not periodically.");
  flags.Add("model_name", &model_name,
            "name of model (ignored if --model_config_file flag is set)");
  flags.Add("model_base_path", &model_base_path,
            "path to export (ignored if --model_config_file flag is set, otherwise required)");
  flags.Add("num_load_threads", &num_load_threads,
            "Threads that load versions. 0: one per schedulable CPU.");
  flags.Add("num_unload_threads", &num_unload_threads, "Threads that unload versions. 0: one.");
  flags.Add("max_num_load_retries", &max_num_load_retries,
            "maximum number of times it retries loading a model after the first failure, before "
            "giving up. If set to 0, a load is attempted only once. Default: 5");
  flags.Add("load_retry_interval_micros", &load_retry_interval_micros,
            "The interval, in microseconds, between each servable load retry. If set negative, it "
            "doesn't wait. Default: 1 minute");
  flags.Add("file_system_poll_wait_seconds", &file_system_poll_wait_seconds,
            "Interval in seconds between each poll of the filesystem for new model version. If set "
            "to zero poll will be exactly done once and not periodically. Setting this to negative "
            "value will disable polling entirely causing the server to indefinitely wait for a new "
            "model at startup. Negative values are reserved for testing purposes only.");
  flags.Add("saved_model_tags", &saved_model_tags,
            "Comma-separated set of tags corresponding to the meta graph def to load from "
            "SavedModel.");
  flags.Add("version", &version, "Display version");
  flags.Add("enable_grpc_healthcheck_service", &enable_grpc_healthcheck_service,
            "Enable the standard gRPC healthcheck service.");
  flags.Add("enable_serialization_as_tensor_content", &enable_serialization_as_tensor_content,
            "Enable serialization of predict response as tensor content.");

  flags.Add("event_loops", &event_loops,
            "Threads that read, answer and run small models. 0: one per schedulable CPU.");
  flags.Add("engine_threads", &engine_threads,
            "Threads that run the other models. 0: one per schedulable CPU.");
  flags.Add("inline_below_micros", &inline_below_micros,
            "Models whose learned run time is below this run on the event loop's thread. 0: none.");
  flags.Add("engine_dir", &engine_dir, "Folder of the engine plug-ins. Empty: beside the program.");
  flags.Add("log_format", &log_format, "text (TensorFlow's layout) or json.");
  flags.Add("drain_delay_seconds", &drain_delay_seconds,
            "After SIGTERM, keep serving this long while readiness is already off.");
  flags.Add("drain_timeout_seconds", &drain_timeout_seconds,
            "After SIGTERM, wait this long for requests under way before cutting them.");
  flags.Add("version_settle_millis", &version_settle_millis,
            "A version directory is loaded when nothing in it changed for this long.");
  flags.Add("rest_api_max_body_bytes", &rest_api_max_body_bytes,
            "Largest REST request body; larger ones get 413.");
  flags.Add("rest_api_gzip_replies", &rest_api_gzip_replies,
            "Compress REST answers for clients that send Accept-Encoding: gzip.");
  flags.Add("allow_reload_rpc", &allow_reload_rpc,
            "Serve HandleReloadConfigRequest. false: it answers PERMISSION_DENIED.");
  flags.Add("max_connections", &max_connections, "Open connections, both ports together.");
  flags.Add("max_concurrent_streams", &max_concurrent_streams,
            "Requests in flight on one HTTP/2 connection.");
  flags.Add("max_queued_calls", &max_queued_calls,
            "Requests waiting for one signature of one version; more get RESOURCE_EXHAUSTED.");
}

absl::Status Options::Validate() const {
  if (port == 0 && grpc_socket_path.empty()) {
    return absl::InvalidArgumentError(
        "At least one of server_options.grpc_port or server_options.grpc_socket_path must be set.");
  }
  if (model_base_path.empty() && model_config_file.empty()) {
    return absl::InvalidArgumentError(
        "Both server_options.model_base_path and server_options.model_config_file are empty!");
  }
  if (log_format != "text" && log_format != "json") {
    return absl::InvalidArgumentError(
        base::StrCat("--log_format=", log_format, " must be text or json"));
  }
  const struct {
    std::string_view flag;
    int64_t value, low, high;
  } ranges[] = {
      {"port", port, -1, 65535},
      {"rest_api_port", rest_api_port, -1, 65535},
      {"event_loops", event_loops, 0, 1024},
      {"engine_threads", engine_threads, 0, 1024},
      {"inline_below_micros", inline_below_micros, 0, 1000000},
      {"drain_delay_seconds", drain_delay_seconds, 0, 86400},
      {"drain_timeout_seconds", drain_timeout_seconds, 0, 86400},
      {"version_settle_millis", version_settle_millis, 0, 3600000},
      {"rest_api_max_body_bytes", rest_api_max_body_bytes, 1, int64_t{1} << 40},
      {"max_connections", max_connections, 1, 10000000},
      {"max_concurrent_streams", max_concurrent_streams, 1, 1000000},
      {"max_queued_calls", max_queued_calls, 1, 100000000},
  };
  for (const auto& range : ranges) {
    BATON_RETURN_IF_ERROR(CheckRange(range.flag, range.value, range.low, range.high));
  }
  return absl::OkStatus();
}

}  // namespace baton::server
