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
  RegisterServing(flags);
  RegisterOurs(flags);
  // As TensorFlow Serving shows them.
  const std::string threads = base::StrCat(4 * SchedulableCpus());
  flags.ShowDefault("rest_api_num_threads", threads);
  flags.ShowDefault("grpc_max_threads", threads);
  flags.ShowDefault("num_tflite_pools", base::StrCat(SchedulableCpus()));
}

void Options::RegisterServing(FlagSet& flags) {
  flags.Add("port", &port,
            "TCP port to listen on for gRPC/HTTP API. Disabled if port set to zero.");
  flags.Add("grpc_socket_path", &grpc_socket_path,
            "If non-empty, listen to a UNIX socket for gRPC API on the given path. Can be either "
            "relative or absolute path.");
  flags.Add("rest_api_port", &rest_api_port,
            "Port to listen on for HTTP/REST API. If set to zero HTTP/REST API will not be "
            "exported. This port must be different than the one specified in --port.");
  flags.Add("rest_api_num_threads", &rest_api_num_threads,
            "REST requests worked on at once, the rest wait. Not given: as many as come.");
  flags.Add("rest_api_timeout_in_ms", &rest_api_timeout_in_ms, "Timeout for HTTP/REST API calls.");
  flags.Add("rest_api_enable_cors_support", &rest_api_enable_cors_support,
            "Enable CORS headers in response");
  flags.Add("enable_batching", &enable_batching,
            "Merge requests into batches by the parameters of --batching_parameters_file.");
  flags.Add(
      "allow_version_labels_for_unavailable_models", &allow_version_labels_for_unavailable_models,
      "If true, allows assigning unused version labels to models that are not available yet.");
  flags.Add("batching_parameters_file", &batching_parameters_file,
            "Text-format BatchingParameters; empty: the defaults. Needs --enable_batching.");
  flags.Add("enable_per_model_batching_parameters", &enable_per_model_batching_parameters,
            "Take batching parameters from batching_params.pbtxt in each version directory; a "
            "version without that file is not batched. The thread pool stays that of "
            "--batching_parameters_file.");
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
  flags.Add("flush_filesystem_caches", &flush_filesystem_caches,
            "Drop what file systems cache after loads. Local files have no such cache.");
  flags.Add("tensorflow_session_parallelism", &tensorflow_session_parallelism,
            "Threads inside and between operators of a session; 0: chosen by Baton. Ignored with "
            "--platform_config_file.");
  flags.Add("tensorflow_session_config_file", &tensorflow_session_config_file,
            "Text-format tensorflow.ConfigProto that sessions start from; the thread and GPU flags "
            "overwrite their fields.");
  flags.Add(
      "tensorflow_intra_op_parallelism", &tensorflow_intra_op_parallelism,
      "Threads inside one operator; 0: chosen by Baton. Ignored with --platform_config_file.");
  flags.Add("tensorflow_inter_op_parallelism", &tensorflow_inter_op_parallelism,
            "Threads between operators; 0: a run stays on its own thread. Ignored with "
            "--platform_config_file.");
  flags.Add("use_alts_credentials", &use_alts_credentials,
            "Google ALTS credentials; only Google Cloud has them, so this build refuses to start "
            "with it.");
  flags.Add("ssl_config_file", &ssl_config_file,
            "Text-format SSLConfig: serve gRPC over TLS. Read again when it changes.");
  flags.Add("platform_config_file", &platform_config_file,
            "Text-format PlatformConfigMap in place of the settings that the batching, session, "
            "warm-up and TFLite flags make.");
  flags.Add("per_process_gpu_memory_fraction", &per_process_gpu_memory_fraction,
            "Share of the GPU's memory for TensorFlow, 0 to 1; 0: TensorFlow decides.");
  flags.Add("saved_model_tags", &saved_model_tags,
            "Comma-separated set of tags corresponding to the meta graph def to load from "
            "SavedModel.");
  flags.Add("grpc_channel_arguments", &grpc_channel_arguments,
            "Comma-separated key=value settings of the gRPC listeners, with gRPC's names.");
  flags.Add("grpc_max_threads", &grpc_max_threads,
            "gRPC calls worked on at once, the rest wait. Not given: as many as come.");
  flags.Add("enable_model_warmup", &enable_model_warmup,
            "Replay assets.extra/tf_serving_warmup_requests of a version before it serves.");
  flags.Add("num_request_iterations_for_warmup", &num_request_iterations_for_warmup,
            "How often each warm-up record is replayed; 0 or less: once.");
  flags.Add("version", &version, "Display version");
  flags.Add("monitoring_config_file", &monitoring_config_file,
            "Text-format MonitoringConfig: TensorFlow Serving's metrics page on the REST port. Our "
            "own is /metrics, always.");
  flags.Add("remove_unused_fields_from_bundle_metagraph",
            &remove_unused_fields_from_bundle_metagraph,
            "Keep only the signatures of a loaded MetaGraphDef in memory.");
  flags.Add("prefer_tflite_model", &prefer_tflite_model,
            "Serve model.tflite of a version directory that has one.");
  flags.Add("num_tflite_pools", &num_tflite_pools, "TFLite interpreters of a model.");
  flags.Add("num_tflite_interpreters_per_pool", &num_tflite_interpreters_per_pool,
            "Above 1: batch TFLite requests over so many interpreters.");
  flags.Add("enable_signature_method_name_check", &enable_signature_method_name_check,
            "Refuse calls whose signature has another method_name than theirs.");
  flags.Add("xla_cpu_compilation_enabled", &xla_cpu_compilation_enabled,
            "Let XLA compile for the CPU just in time.");
  flags.Add("xla_gpu_compilation_enabled", &xla_gpu_compilation_enabled,
            "Let XLA compile for GPUs just in time.");
  flags.Add("enable_profiler", &enable_profiler,
            "Serve tensorflow.ProfilerService on the gRPC port.");
  flags.Add("thread_pool_factory_config_file", &thread_pool_factory_config_file,
            "Text-format ThreadPoolFactoryConfig. No factory is built in, so any that is named is "
            "refused.");
  flags.Add("mixed_precision", &mixed_precision,
            "bfloat16: let oneDNN compute in bfloat16 where it can.");
  flags.Add("skip_initialize_tpu", &skip_initialize_tpu, "For TPU builds; without effect here.");
  flags.Add("enable_grpc_healthcheck_service", &enable_grpc_healthcheck_service,
            "Enable the standard gRPC healthcheck service.");
  flags.Add("enable_serialization_as_tensor_content", &enable_serialization_as_tensor_content,
            "Enable serialization of predict response as tensor content.");
}

void Options::RegisterOurs(FlagSet& flags) {
  flags.Add("event_loops", &event_loops,
            "Threads that read, answer and run small models. 0: one per schedulable CPU.");
  flags.Add("engine_threads", &engine_threads,
            "Threads that run the other models. 0: one per schedulable CPU.");
  flags.Add("inline_below_micros", &inline_below_micros,
            "Models whose learned run time is below this run on the event loop's thread. 0: none.");
  flags.Add("engine_dir", &engine_dir, "Folder of the engine plug-ins. Empty: beside the program.");
  flags.Add("custom_op_libraries", &custom_op_libraries,
            "Comma-separated paths of libraries with operators for the TensorFlow engine.");
  flags.Add("log_format", &log_format, "text (TensorFlow's layout) or json.");
  flags.Add("drain_delay_seconds", &drain_delay_seconds,
            "After SIGTERM, keep serving this long while readiness is already off.");
  flags.Add("drain_timeout_seconds", &drain_timeout_seconds,
            "After SIGTERM, wait this long for requests under way before cutting them.");
  flags.Add("version_settle_millis", &version_settle_millis,
            "A version directory is loaded when nothing in it changed for this long.");
  flags.Add("rest_api_ssl_config_file", &rest_api_ssl_config_file,
            "Text-format SSLConfig: serve REST over TLS. Read again when it changes.");
  flags.Add("rest_api_max_body_bytes", &rest_api_max_body_bytes,
            "Largest REST request body; larger ones get 413.");
  flags.Add("rest_api_gzip_replies", &rest_api_gzip_replies,
            "Compress REST answers for clients that send Accept-Encoding: gzip.");
  flags.Add("allow_reload_rpc", &allow_reload_rpc,
            "Serve HandleReloadConfigRequest. false: it answers PERMISSION_DENIED.");
  flags.Add("enable_session_service", &enable_session_service,
            "Serve SessionService on the gRPC port, for tensors that signatures declare.");
  flags.Add("max_connections", &max_connections, "Open connections, both ports together.");
  flags.Add("max_concurrent_streams", &max_concurrent_streams,
            "Requests in flight on one HTTP/2 connection.");
  flags.Add("max_queued_calls", &max_queued_calls,
            "Requests waiting for one signature of one version; more get RESOURCE_EXHAUSTED.");
  flags.Add("request_log_max_file_bytes", &request_log_max_file_bytes,
            "A request log's next file begins before this size is exceeded.");
  flags.Add("request_log_max_file_seconds", &request_log_max_file_seconds,
            "A request log's next file begins after this time. 0: no limit.");
  flags.Add("request_log_max_files", &request_log_max_files,
            "Files of one filename_prefix; the oldest are deleted. 0: no limit.");
  flags.Add("request_log_root", &request_log_root,
            "Folder under which a reload over gRPC may place request logs. Empty: none may; the "
            "configuration file always may.");
  flags.Add("request_log_dc", &request_log_dc,
            "What per_task_sampling_configs of a logging_config know as this server's dc.");
  flags.Add("request_log_task_index", &request_log_task_index,
            "What they know as its task_index. -1: none.");
}

absl::Status Options::ValidateSession() const {
  if (!batching_parameters_file.empty() && !enable_batching) {
    return absl::InvalidArgumentError(
        "server_options.batching_parameters_file is set without setting "
        "server_options.enable_batching to true.");
  }
  if (tensorflow_session_parallelism > 0 && tensorflow_intra_op_parallelism > 0 &&
      tensorflow_inter_op_parallelism > 0) {
    return absl::InvalidArgumentError(
        "Either configure server_options.tensorflow_session_parallelism or "
        "(server_options.tensorflow_intra_op_parallelism, "
        "server_options.tensorflow_inter_op_parallelism) separately. You cannot configure all.");
  }
  return absl::OkStatus();
}

absl::Status Options::Validate() const {
  if (port == 0 && grpc_socket_path.empty()) {
    return absl::InvalidArgumentError(
        "At least one of server_options.grpc_port or server_options.grpc_socket_path must be set.");
  }
  if (use_alts_credentials && !ssl_config_file.empty()) {
    return absl::InvalidArgumentError(
        "Either use_alts_credentials must be false or ssl_config_file must be empty.");
  }
  if (model_base_path.empty() && model_config_file.empty()) {
    return absl::InvalidArgumentError(
        "Both server_options.model_base_path and server_options.model_config_file are empty!");
  }
  if (platform_config_file.empty()) BATON_RETURN_IF_ERROR(ValidateSession());
  if (use_alts_credentials) {
    return absl::UnimplementedError(
        "--use_alts_credentials needs the handshaker service of Google Cloud's machines, which "
        "this "
        "server cannot use; use --ssl_config_file");
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
      {"rest_api_num_threads", rest_api_num_threads, 0, 1000000},
      {"grpc_max_threads", grpc_max_threads, 0, 1000000},
      {"tensorflow_session_parallelism", tensorflow_session_parallelism, -1, 4096},
      {"tensorflow_intra_op_parallelism", tensorflow_intra_op_parallelism, -1, 4096},
      {"tensorflow_inter_op_parallelism", tensorflow_inter_op_parallelism, -1, 4096},
      {"num_tflite_pools", num_tflite_pools, kNotGiven, 4096},
      {"num_tflite_interpreters_per_pool", num_tflite_interpreters_per_pool, -1, 4096},
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
      {"request_log_max_file_bytes", request_log_max_file_bytes, 1, int64_t{1} << 50},
      {"request_log_max_file_seconds", request_log_max_file_seconds, 0, 1000000000},
      {"request_log_max_files", request_log_max_files, 0, 1000000},
  };
  for (const auto& range : ranges) {
    BATON_RETURN_IF_ERROR(CheckRange(range.flag, range.value, range.low, range.high));
  }
  return absl::OkStatus();
}

}  // namespace baton::server
