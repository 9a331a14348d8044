#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/flags.h"

namespace baton::server {

// Everything `baton serve` can be told. The first block has TensorFlow Serving's names, defaults,
// order and meanings (contract §1.2); the second is ours.
struct Options {
  int32_t port = 8500;  // -1: any free port (ours)
  std::string grpc_socket_path;
  int32_t rest_api_port = 0;
  int32_t rest_api_num_threads = 0;  // 0: not given
  int32_t rest_api_timeout_in_ms = 30000;
  bool rest_api_enable_cors_support = false;
  bool enable_batching = false;
  bool allow_version_labels_for_unavailable_models = false;
  std::string batching_parameters_file;
  bool enable_per_model_batching_parameters = false;
  std::string model_config_file;
  int32_t model_config_file_poll_wait_seconds = 0;
  std::string model_name = "default";
  std::string model_base_path;
  int32_t num_load_threads = 0;
  int32_t num_unload_threads = 0;
  int32_t max_num_load_retries = 5;
  int64_t load_retry_interval_micros = 60000000;
  int32_t file_system_poll_wait_seconds = 1;
  bool flush_filesystem_caches = true;
  int64_t tensorflow_session_parallelism = 0;
  std::string tensorflow_session_config_file;
  int64_t tensorflow_intra_op_parallelism = 0;
  int64_t tensorflow_inter_op_parallelism = 0;
  bool use_alts_credentials = false;
  std::string ssl_config_file;
  std::string platform_config_file;
  float per_process_gpu_memory_fraction = 0;
  std::string saved_model_tags = "serve";
  std::string grpc_channel_arguments;
  int32_t grpc_max_threads = 0;  // 0: not given
  bool enable_model_warmup = true;
  int32_t num_request_iterations_for_warmup = 0;
  bool version = false;
  std::string monitoring_config_file;
  bool remove_unused_fields_from_bundle_metagraph = true;
  bool prefer_tflite_model = false;
  static constexpr int32_t kNotGiven = INT32_MIN;
  int32_t num_tflite_pools = kNotGiven;  // then schedulable CPUs
  int32_t num_tflite_interpreters_per_pool = 1;
  bool enable_signature_method_name_check = false;
  bool xla_cpu_compilation_enabled = false;
  bool xla_gpu_compilation_enabled = false;
  bool enable_profiler = true;
  std::string thread_pool_factory_config_file;
  std::string mixed_precision;
  bool skip_initialize_tpu = false;
  // Harmless, so on; TensorFlow Serving's default is off.
  bool enable_grpc_healthcheck_service = true;
  bool enable_serialization_as_tensor_content = false;

  int32_t event_loops = 0;     // 0: schedulable CPUs
  int32_t engine_threads = 0;  // 0: schedulable CPUs
  int32_t inline_below_micros = 200;
  std::string engine_dir;
  std::string custom_op_libraries;
  std::string log_format = "text";
  int32_t drain_delay_seconds = 0;
  int32_t drain_timeout_seconds = 30;
  int32_t version_settle_millis = 1000;
  std::string rest_api_ssl_config_file;
  int64_t rest_api_max_body_bytes = int64_t{1} << 31;
  bool rest_api_gzip_replies = false;
  bool allow_reload_rpc = true;
  bool enable_session_service = false;
  int32_t max_connections = 65536;
  int32_t max_concurrent_streams = 1024;
  int32_t max_queued_calls = 10000;
  int64_t request_log_max_file_bytes = int64_t{256} << 20;
  int32_t request_log_max_file_seconds = 3600;
  int32_t request_log_max_files = 64;
  std::string request_log_root;
  std::string request_log_dc;
  int32_t request_log_task_index = -1;  // not given

  void Register(FlagSet& flags);
  // The checks of contract §1.3 in its order, then those of our own flags; kInvalidArgument.
  absl::Status Validate() const;

 private:
  void RegisterServing(FlagSet& flags);
  void RegisterOurs(FlagSet& flags);
  absl::Status ValidateSession() const;
};

// CPUs this process may run on.
int SchedulableCpus();
// A thread count of the options, 0 meaning one per CPU.
size_t CountOrCpus(int32_t count);

}  // namespace baton::server
