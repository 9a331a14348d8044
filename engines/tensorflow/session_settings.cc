#include "session_settings.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "saved_model_config.h"
#include "tensorflow/core/protobuf/rewriter_config.pb.h"
#include "tensorflow/core/util/port.h"

namespace baton::tf_engine {
namespace {

namespace tf = tensorflow;

void WarnOnce(const std::string& text) {
  static std::mutex& mutex = *new std::mutex;
  static std::set<std::string>& said = *new std::set<std::string>;
  std::lock_guard lock(mutex);
  if (said.insert(text).second) sdk::Log(BATON_LOG_WARNING, text);
}

template <typename Number>
sdk::Result<std::optional<Number>> ReadNumber(const sdk::Options& options, std::string_view key) {
  const std::optional<std::string_view> text = options.Find(key);
  if (!text) return std::optional<Number>();
  Number value = 0;
  const char* const end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, value);
  if (error != std::errc() || stop != end) {
    return sdk::Status(sdk::Code::kInvalidArgument, "option \"" + std::string(key) + "\" is \"" +
                                                        std::string(*text) + "\", not a number");
  }
  return std::optional<Number>(value);
}

// What TensorFlow takes when nothing is configured.
int32_t FromEnvironment(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? 0 : std::atoi(text);
}

// The option when it is given and not negative, else what the configuration says, else what the
// environment says; 0: the engine's choice.
sdk::Result<int32_t> ReadThreads(const sdk::Options& options, std::string_view key,
                                 int32_t configured, const char* variable) {
  sdk::Result<std::optional<int32_t>> option = ReadNumber<int32_t>(options, key);
  if (!option.ok()) return option.status();
  int32_t threads = option->value_or(-1) >= 0 ? **option : configured;
  if (threads == 0) threads = FromEnvironment(variable);
  return std::max(threads, 0);
}

// The names of set fields that this engine has no use for.
std::vector<std::string> FieldsWithoutEffect(const tf::ConfigProto& config, bool uses_pool) {
  static const std::set<std::string>& unused = *new std::set<std::string>{
      "placement_period", "device_filters",        "rpc_options",
      "cluster_def",      "isolate_session_state", "share_cluster_devices_in_session",
  };
  static const std::set<std::string>& unused_experimental = *new std::set<std::string>{
      "collective_group_leader",
      "client_handles_error_formatting",
      "recv_buf_max_chunk",
      "collective_deterministic_sequential_execution",
      "collective_nccl",
      "share_session_state_in_clusterspec_propagation",
      "share_cluster_devices_in_session",
      "coordination_config",
      "optimize_for_static_graph",
      "disable_output_partition_graphs",
  };
  std::vector<std::string> names;
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  config.GetReflection()->ListFields(config, &fields);
  for (const auto* field : fields) {
    const std::string name(field->name());
    const bool is_for_gpu = (name == "gpu_options" && config.gpu_options().ByteSizeLong() > 0) ||
                            name == "pluggable_device_options";
    if (unused.count(name) != 0 || (is_for_gpu && !tf::IsGoogleCudaEnabled()) ||
        (name == "operation_timeout_in_ms" && !uses_pool)) {
      names.push_back(name);
    }
  }
  fields.clear();
  const tf::ConfigProto::Experimental& experimental = config.experimental();
  experimental.GetReflection()->ListFields(experimental, &fields);
  for (const auto* field : fields) {
    const std::string name(field->name());
    if (unused_experimental.count(name) != 0) names.push_back("experimental." + name);
  }
  return names;
}

// One pool for all sessions that want as many threads, unless the operator laid pools out.
void SetInterOpPool(int32_t threads, SessionSettings* settings) {
  tf::ConfigProto& config = settings->config;
  settings->uses_inter_op_pool = threads > 0 || config.session_inter_op_thread_pool_size() > 0;
  if (config.session_inter_op_thread_pool_size() > 0) return;
  config.set_inter_op_parallelism_threads(threads);
  if (threads == 0 || config.use_per_session_threads()) return;
  tf::ThreadPoolOptionProto* pool = config.add_session_inter_op_thread_pool();
  pool->set_num_threads(threads);
  pool->set_global_name("baton_inter_" + std::to_string(threads));
}

void SetMixedPrecision(const sdk::Options& options, tf::ConfigProto* config) {
  const std::string precision(options.Find("mixed_precision").value_or(""));
  if (precision == "bfloat16") {
    config->mutable_graph_options()
        ->mutable_rewrite_options()
        ->set_auto_mixed_precision_onednn_bfloat16(tf::RewriterConfig::ON);
  } else if (!precision.empty()) {
    WarnOnce("mixed precision \"" + precision + "\" is not known; only bfloat16 is");
  }
}

void ApplySavedModelConfig(const std::string& path, tf::ConfigProto* config) {
  sdk::Result<SavedModelConfig> overrides = ReadSavedModelConfig(path);
  if (!overrides.ok()) {
    sdk::Log(BATON_LOG_WARNING,
             "Failed to load saved model config: " + overrides.status().message());
    return;
  }
  if (overrides->disable_meta_optimizer) {
    config->mutable_graph_options()->mutable_rewrite_options()->set_disable_meta_optimizer(
        *overrides->disable_meta_optimizer);
  }
  for (const std::string& field : overrides->fields_without_effect) {
    WarnOnce("saved_model_config.pb: " + field + " has no effect here");
  }
}

}  // namespace

sdk::Result<SessionSettings> ReadSessionSettings(const std::string& path,
                                                 const sdk::Options& options) {
  SessionSettings settings;
  tf::ConfigProto& config = settings.config;
  if (!config.ParseFromString(options.Find("session_config").value_or(""))) {
    return sdk::Status(sdk::Code::kInvalidArgument, "option \"session_config\" is malformed");
  }
  sdk::Result<int32_t> intra =
      ReadThreads(options, "intra_op_parallelism_threads", config.intra_op_parallelism_threads(),
                  "TF_NUM_INTRAOP_THREADS");
  if (!intra.ok()) return intra.status();
  sdk::Result<int32_t> inter =
      ReadThreads(options, "inter_op_parallelism_threads", config.inter_op_parallelism_threads(),
                  "TF_NUM_INTEROP_THREADS");
  if (!inter.ok()) return inter.status();
  sdk::Result<std::optional<double>> gpu_fraction =
      ReadNumber<double>(options, "per_process_gpu_memory_fraction");
  if (!gpu_fraction.ok()) return gpu_fraction.status();

  settings.intra_op_threads = static_cast<uint32_t>(*intra);
  SetInterOpPool(*inter, &settings);
  for (const std::string& field : FieldsWithoutEffect(config, settings.uses_inter_op_pool)) {
    WarnOnce("session config: " + field + " has no effect here");
  }
  if (gpu_fraction->has_value()) {
    if (**gpu_fraction > 0 && !tf::IsGoogleCudaEnabled()) {
      WarnOnce(
          "per_process_gpu_memory_fraction has no effect here: TensorFlow is built without GPU");
    }
    config.mutable_gpu_options()->set_per_process_gpu_memory_fraction(**gpu_fraction);
  }
  SetMixedPrecision(options, &config);
  ApplySavedModelConfig(path, &config);

  // The process has one default pool for work inside kernels, and the first session sizes it: one
  // thread, that is the caller's. Runs that may use more bring a pool of their own.
  config.set_intra_op_parallelism_threads(1);
  // Graphs exported on a machine with an accelerator name its devices.
  config.set_allow_soft_placement(true);
  // The session is never extended and never asked for its partitions: it need not keep copies of
  // the graph.
  config.mutable_experimental()->set_optimize_for_static_graph(true);
  config.mutable_experimental()->set_disable_output_partition_graphs(true);
  return settings;
}

}  // namespace baton::tf_engine
