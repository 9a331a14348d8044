#include "server/load_settings.h"

#include <google/protobuf/any.pb.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/log.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "server/config_file.h"
#include "tensorflow_serving/config/platform_config.pb.h"
#include "tensorflow_serving/config/thread_pool_factory_config.pb.h"
#include "tensorflow_serving/servables/tensorflow/session_bundle_config.pb.h"

namespace baton::server {
namespace {

namespace tfs = tensorflow::serving;

constexpr std::string_view kTensorflow = "tensorflow";

void WarnIneffective(std::string_view setting, std::string_view why) {
  base::LogWarning(base::StrCat(setting, " has no effect: ", why));
}

scheduling::BatchingOptions BatchingOf(const tfs::BatchingParameters& proto) {
  scheduling::BatchingOptions options;
  if (proto.has_max_batch_size()) options.max_batch_size = proto.max_batch_size().value();
  if (proto.has_batch_timeout_micros()) {
    options.batch_timeout_micros = proto.batch_timeout_micros().value();
  }
  if (proto.has_max_enqueued_batches()) {
    options.max_enqueued_batches = proto.max_enqueued_batches().value();
  }
  if (proto.has_num_batch_threads()) options.num_batch_threads = proto.num_batch_threads().value();
  if (proto.has_thread_pool_name()) options.thread_pool_name = proto.thread_pool_name().value();
  options.allowed_batch_sizes.assign(proto.allowed_batch_sizes().begin(),
                                     proto.allowed_batch_sizes().end());
  options.pad_variable_length_inputs = proto.pad_variable_length_inputs();
  options.enable_large_batch_splitting = proto.enable_large_batch_splitting().value();
  // 0 means max_batch_size.
  if (proto.max_execution_batch_size().value() != 0) {
    options.max_execution_batch_size = proto.max_execution_batch_size().value();
  }
  return options;
}

// The bundle configuration that the flags amount to, as TensorFlow Serving makes it (contract
// §1.3): thread and GPU flags overwrite the session file even with their defaults.
absl::StatusOr<tfs::SessionBundleConfig> BundleOfFlags(const Options& options) {
  tfs::SessionBundleConfig bundle;
  tensorflow::ConfigProto& session = *bundle.mutable_session_config();
  if (!options.tensorflow_session_config_file.empty()) {
    BATON_RETURN_IF_ERROR(ReadTextProto(options.tensorflow_session_config_file, &session));
  }
  if (options.enable_batching) {
    tfs::BatchingParameters& batching = *bundle.mutable_batching_parameters();
    if (options.batching_parameters_file.empty()) {
      batching.mutable_thread_pool_name()->set_value("model_server_batch_threads");
    } else {
      BATON_RETURN_IF_ERROR(ReadTextProto(options.batching_parameters_file, &batching));
    }
    bundle.set_enable_per_model_batching_params(options.enable_per_model_batching_parameters);
  } else if (options.enable_per_model_batching_parameters) {
    WarnIneffective("--enable_per_model_batching_parameters", "--enable_batching is off");
  }
  session.mutable_gpu_options()->set_per_process_gpu_memory_fraction(
      options.per_process_gpu_memory_fraction);
  if (!options.remove_unused_fields_from_bundle_metagraph) {
    WarnIneffective("--remove_unused_fields_from_bundle_metagraph=false",
                    "of a loaded graph only the signatures are ever kept");
  }
  const bool separately =
      options.tensorflow_intra_op_parallelism > 0 || options.tensorflow_inter_op_parallelism > 0;
  session.set_intra_op_parallelism_threads(
      static_cast<int32_t>(separately ? options.tensorflow_intra_op_parallelism
                                      : options.tensorflow_session_parallelism));
  session.set_inter_op_parallelism_threads(
      static_cast<int32_t>(separately ? options.tensorflow_inter_op_parallelism
                                      : options.tensorflow_session_parallelism));
  for (std::string_view tags = options.saved_model_tags; !tags.empty();) {
    const size_t comma = std::min(tags.find(','), tags.size());
    bundle.add_saved_model_tags(std::string(tags.substr(0, comma)));
    tags.remove_prefix(std::min(comma + 1, tags.size()));
  }
  bundle.set_enable_model_warmup(options.enable_model_warmup);
  if (options.num_request_iterations_for_warmup > 0) {
    bundle.mutable_model_warmup_options()->mutable_num_request_iterations()->set_value(
        options.num_request_iterations_for_warmup);
  }
  bundle.set_prefer_tflite_model(options.prefer_tflite_model);
  const bool has_pools = options.num_tflite_pools != Options::kNotGiven;
  bundle.set_num_tflite_pools(has_pools ? options.num_tflite_pools : SchedulableCpus());
  bundle.set_num_tflite_interpreters_per_pool(options.num_tflite_interpreters_per_pool);
  bundle.set_mixed_precision(options.mixed_precision);
  return bundle;
}

// Of --platform_config_file: the bundle configuration of each platform that has a known one.
absl::StatusOr<tfs::SessionBundleConfig> BundleOfPlatform(const std::string& name,
                                                          const tfs::PlatformConfig& platform) {
  const google::protobuf::Any& any = platform.source_adapter_config();
  tfs::SavedModelBundleSourceAdapterConfig adapter;
  if (!any.Is<tfs::SavedModelBundleSourceAdapterConfig>() || !any.UnpackTo(&adapter)) {
    return absl::InvalidArgumentError(base::StrCat(
        "platform \"", name, "\": source_adapter_config must be a ", adapter.GetTypeName(),
        ", not ", any.type_url().empty() ? "unset" : any.type_url()));
  }
  return adapter.legacy_config();
}

void WarnOfUnused(const tfs::SessionBundleConfig& bundle) {
  const struct {
    bool is_set;
    const char* name;
    const char* why;
  } fields[] = {
      {!bundle.session_target().empty(), "session_target", "sessions run in this process"},
      {bundle.has_session_run_load_threadpool_index(), "session_run_load_threadpool_index",
       "loads have threads of their own"},
      {bundle.experimental_transient_ram_bytes_during_load() != 0,
       "experimental_transient_ram_bytes_during_load", "memory is measured"},
      {bundle.has_in_graph_batching_parameters(), "in_graph_batching_parameters",
       "graphs are not rewritten to batch; use batching_parameters"},
      {bundle.experimental_fixed_input_tensors_size() > 0, "experimental_fixed_input_tensors",
       "nothing reads it, as in TensorFlow Serving"},
      {bundle.enable_session_metadata(), "enable_session_metadata",
       "names and versions are on our own metrics"},
      {bundle.resource_estimation_uses_validation_result(),
       "resource_estimation_uses_validation_result", "memory is measured"},
      {bundle.wrap_session_with_no_threading_params(), "wrap_session_with_no_threading_params",
       "threads are given per run"},
      {bundle.model_warmup_options().enable_all_batch_sizes_warmup(),
       "model_warmup_options.enable_all_batch_sizes_warmup", "records are replayed as they are"},
  };
  for (const auto& field : fields) {
    if (field.is_set) {
      WarnIneffective(base::StrCat("platform_config_file: legacy_config.", field.name), field.why);
    }
  }
}

absl::StatusOr<tfs::SessionBundleConfig> ReadBundle(const Options& options,
                                                    std::set<std::string>* platforms) {
  if (options.platform_config_file.empty()) {
    platforms->emplace(kTensorflow);
    return BundleOfFlags(options);
  }
  tfs::PlatformConfigMap map;
  BATON_RETURN_IF_ERROR(ReadTextProto(options.platform_config_file, &map));
  // In the order of names: a map has none.
  const std::map<std::string, tfs::PlatformConfig> configs(map.platform_configs().begin(),
                                                           map.platform_configs().end());
  std::optional<tfs::SessionBundleConfig> common;
  for (const auto& [name, platform] : configs) {
    if (!platform.has_source_adapter_config()) continue;  // names nothing that could load
    BATON_ASSIGN_OR_RETURN(tfs::SessionBundleConfig bundle, BundleOfPlatform(name, platform));
    if (common && common->SerializeAsString() != bundle.SerializeAsString()) {
      return absl::UnimplementedError(
          base::StrCat(options.platform_config_file, ": platform \"", name,
                       "\" has other settings than \"", *platforms->begin(),
                       "\"; one server has one set of settings, so give both the same or run two"));
    }
    common = std::move(bundle);
    platforms->insert(name);
  }
  if (!common) return tfs::SessionBundleConfig();
  WarnOfUnused(*common);
  return *std::move(common);
}

absl::Status CheckThreadPoolFactory(const std::string& path) {
  if (path.empty()) return absl::OkStatus();
  tfs::ThreadPoolFactoryConfig config;
  BATON_RETURN_IF_ERROR(ReadTextProto(path, &config));
  const std::string& url = config.thread_pool_factory_config().type_url();
  if (url.empty()) return absl::OkStatus();
  return absl::NotFoundError(
      base::StrCat(path, ": no thread pool factory is built in, so there is none for ", url));
}

// "serve,gpu"; no tags mean serve.
std::string TagsOf(const tfs::SessionBundleConfig& bundle) {
  std::string tags;
  for (const std::string& tag : bundle.saved_model_tags()) {
    base::StrAppend(&tags, tags.empty() ? "" : ",", tag);
  }
  return tags.empty() ? "serve" : tags;
}

engine::EngineOptions EngineOptionsOf(const Options& options, const std::string& tags,
                                      const tfs::SessionBundleConfig& bundle) {
  const auto text = [](bool value) { return std::string(value ? "true" : "false"); };
  return {
      {"saved_model_tags", tags},
      {"session_config", bundle.session_config().SerializeAsString()},
      {"mixed_precision", bundle.mixed_precision() == "bfloat16" ? "bfloat16" : ""},
      {"xla_cpu_compilation_enabled", text(options.xla_cpu_compilation_enabled)},
      {"xla_gpu_compilation_enabled", text(options.xla_gpu_compilation_enabled)},
      // Interpreters in all: at least one pool, of at least one.
      {"num_tflite_pools", base::StrCat(int64_t{std::max(1, bundle.num_tflite_pools())} *
                                        std::max(1, bundle.num_tflite_interpreters_per_pool()))},
  };
}

}  // namespace

absl::StatusOr<LoadSettings> ReadLoadSettings(const Options& options) {
  LoadSettings settings;
  BATON_ASSIGN_OR_RETURN(const tfs::SessionBundleConfig bundle,
                         ReadBundle(options, &settings.platforms));
  BATON_RETURN_IF_ERROR(CheckThreadPoolFactory(options.thread_pool_factory_config_file));
  if (!bundle.mixed_precision().empty() && bundle.mixed_precision() != "bfloat16") {
    WarnIneffective(base::StrCat("--mixed_precision=", bundle.mixed_precision()),
                    "only bfloat16 is known");
  }
  settings.saved_model_tags = TagsOf(bundle);
  settings.engine = EngineOptionsOf(options, settings.saved_model_tags, bundle);
  if (bundle.has_batching_parameters()) {
    settings.batching = BatchingOf(bundle.batching_parameters());
    // Wrong allowed sizes fail every load, as in TensorFlow Serving; the rest, of which it dies,
    // fails the start.
    scheduling::BatchingOptions queue = *settings.batching;
    queue.allowed_batch_sizes.clear();
    BATON_RETURN_IF_ERROR(queue.Validate());
  }
  settings.per_model_batching = bundle.enable_per_model_batching_params();
  settings.refuses_loads = bundle.enable_saved_model_config();
  settings.warmup = bundle.enable_model_warmup();
  const tfs::ModelWarmupOptions& warmup = bundle.model_warmup_options();
  settings.warmup_iterations = std::max(1, warmup.num_request_iterations().value());
  settings.warmup_threads = std::max(1, warmup.num_model_warmup_threads().value());
  settings.prefer_tflite_model = bundle.prefer_tflite_model();
  settings.tflite_interpreters_per_pool = bundle.num_tflite_interpreters_per_pool();
  settings.threads_per_run =
      static_cast<uint32_t>(std::max(1, bundle.session_config().intra_op_parallelism_threads()));
  return settings;
}

absl::StatusOr<std::optional<scheduling::BatchingOptions>> ReadModelBatching(
    const std::string& version_dir, const scheduling::BatchingOptions& global) {
  const std::string path = base::StrCat(version_dir, "/batching_params.pbtxt");
  tfs::BatchingParameters proto;
  const absl::Status read = ReadTextProto(path, &proto);
  if (absl::IsNotFound(read)) return std::nullopt;
  BATON_RETURN_IF_ERROR(read);
  scheduling::BatchingOptions options = BatchingOf(proto);
  options.num_batch_threads = global.num_batch_threads;
  options.thread_pool_name = global.thread_pool_name;
  return options;
}

}  // namespace baton::server
