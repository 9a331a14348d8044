#include "server/server.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_split.h"
#include "base/executor.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "engine/engine_registry.h"
#include "frontend/grpc/grpc_handler.h"
#include "frontend/grpc/health_service.h"
#include "frontend/grpc/model_service.h"
#include "frontend/grpc/prediction_service.h"
#include "frontend/grpc/profiler_service.h"
#include "frontend/grpc/reflection_service.h"
#include "frontend/grpc/session_service.h"
#include "frontend/http/rest_handler.h"
#include "lifecycle/config_applier.h"
#include "lifecycle/servable_manager.h"
#include "lifecycle/servable_registry.h"
#include "lifecycle/state_monitor.h"
#include "lifecycle/store_source.h"
#include "metrics/process_metrics.h"
#include "metrics/registry.h"
#include "metrics/serving_metrics.h"
#include "net/server.h"
#include "reqlog/request_loggers.h"
#include "scheduling/batching_scheduler.h"
#include "scheduling/lane_scheduler.h"
#include "server/config_file.h"
#include "server/load_settings.h"
#include "server/monitoring.h"
#include "server/servable_loader.h"
#include "server/transport_settings.h"
#include "service/inference_service.h"
#include "service/model_metrics.h"
#include "service/model_service.h"
#include "service/request_metrics.h"
#include "storage/local_store.h"

namespace baton::server {
namespace {

engine::EngineRegistryOptions EngineOptionsOf(const Options& options,
                                              const LoadSettings& settings) {
  engine::EngineRegistryOptions engines;
  engines.directory = options.engine_dir;
  if (!options.custom_op_libraries.empty()) {
    engines.engine_options["tensorflow"].emplace_back("custom_op_libraries",
                                                      options.custom_op_libraries);
  }
  if (settings.prefer_tflite_model) {
    engines.engine_options["tflite"].emplace_back("prefer_tflite_model", "true");
  }
  return engines;
}

storage::LocalStore::Options StoreOptionsOf(const Options& options) {
  storage::LocalStore::Options store;
  store.settle = absl::Milliseconds(options.version_settle_millis);
  store.settle_broken = 5 * store.settle;
  return store;
}

lifecycle::ServableManager::Options ManagerOptionsOf(const Options& options) {
  lifecycle::ServableManager::Options manager;
  manager.max_load_retries = static_cast<uint32_t>(std::max(0, options.max_num_load_retries));
  manager.load_retry_interval =
      absl::Microseconds(std::max<int64_t>(0, options.load_retry_interval_micros));
  return manager;
}

scheduling::LaneScheduler::Options SchedulerOptionsOf(const Options& options) {
  scheduling::LaneScheduler::Options scheduler;
  scheduler.threads = static_cast<uint32_t>(CountOrCpus(options.engine_threads));
  scheduler.max_queued_calls = static_cast<uint32_t>(options.max_queued_calls);
  return scheduler;
}

std::unique_ptr<scheduling::BatchingScheduler> NewBatching(const LoadSettings& settings) {
  if (!settings.batching) return nullptr;
  return std::make_unique<scheduling::BatchingScheduler>(
      scheduling::BatchingScheduler::Options{.threads = settings.batching->Threads()});
}

// TensorFlow Serving has these threads once per model.
std::unique_ptr<scheduling::BatchingScheduler> NewTfliteBatching(const LoadSettings& settings) {
  if (!settings.prefer_tflite_model || settings.tflite_interpreters_per_pool <= 1) return nullptr;
  return std::make_unique<scheduling::BatchingScheduler>(scheduling::BatchingScheduler::Options{
      .threads = static_cast<uint32_t>(settings.tflite_interpreters_per_pool),
      .thread_name = "tflite"});
}

frontend::http::RestHandler::Options RestOptionsOf(const Options& options) {
  return {.timeout = absl::Milliseconds(options.rest_api_timeout_in_ms),
          .cors = options.rest_api_enable_cors_support,
          .gzip_replies = options.rest_api_gzip_replies,
          .max_body_bytes = static_cast<uint64_t>(options.rest_api_max_body_bytes),
          .check_method_name = options.enable_signature_method_name_check,
          .max_calls = static_cast<size_t>(options.rest_api_num_threads),
          .max_waiting = static_cast<size_t>(options.max_queued_calls)};
}

reqlog::RequestLoggers::Options LoggingOptionsOf(const Options& options,
                                                 const LoadSettings& settings) {
  reqlog::RequestLoggers::Options logging;
  logging.file.max_bytes = static_cast<uint64_t>(options.request_log_max_file_bytes);
  logging.file.max_age = absl::Seconds(options.request_log_max_file_seconds);
  logging.file.max_files = static_cast<uint64_t>(options.request_log_max_files);
  logging.task.dc = options.request_log_dc;
  if (options.request_log_task_index >= 0) logging.task.index = options.request_log_task_index;
  for (const auto tag : absl::StrSplit(settings.saved_model_tags, ',', absl::SkipEmpty())) {
    logging.saved_model_tags.emplace_back(tag);
  }
  return logging;
}

codec::grpc::TensorEncoding EncodingOf(const Options& options) {
  return options.enable_serialization_as_tensor_content
             ? codec::grpc::TensorEncoding::kTensorContent
             : codec::grpc::TensorEncoding::kTypedField;
}

std::shared_ptr<const net::TlsCredentials> CredentialsOf(const std::unique_ptr<TlsFile>& file) {
  return file == nullptr ? nullptr : file->credentials();
}

}  // namespace

// Members in the order they need each other. The transport stops first; destruction then runs
// backwards.
class Server::Parts {
 public:
  Parts(const Options& options, const LoadSettings& settings, TransportSettings transport_settings)
      : options(options),
        transport_settings(std::move(transport_settings)),
        engines(EngineOptionsOf(options, settings)),
        store(StoreOptionsOf(options),
              [this](const std::string& path) { return ProbeArtifact(engines, path); }),
        request_loggers(LoggingOptionsOf(options, settings), &metrics, &serving_metrics),
        reaper({.name = "reaper",
                .threads = static_cast<size_t>(std::max(1, options.num_unload_threads)),
                .nice = 19}),
        scheduler(SchedulerOptionsOf(options)),
        batching(NewBatching(settings)),
        tflite_batching(NewTfliteBatching(settings)),
        loader(options, settings, &engines,
               {.lanes = &scheduler,
                .batches = batching.get(),
                .tflite_batches = tflite_batching.get(),
                .metrics = &serving_metrics}),
        load_pool({.name = "loader", .threads = CountOrCpus(options.num_load_threads), .nice = 10}),
        request_metrics(&metrics, &serving_metrics),
        state_metrics(&metrics, &monitor, &request_metrics),
        manager(ManagerOptionsOf(options), &loader, &registry, &monitor, &load_pool, &reaper),
        source({.poll_interval = absl::Seconds(options.file_system_poll_wait_seconds)}, &store,
               &manager),
        applier(
            {.allow_labels_for_unavailable = options.allow_version_labels_for_unavailable_models,
             .platforms = settings.platforms,
             .loggers = &request_loggers},
            &source, &manager, &monitor),
        inference(&registry, &request_metrics, &request_loggers),
        models(&monitor),
        prediction_service({.encoding = EncodingOf(options),
                            .check_method_name = options.enable_signature_method_name_check,
                            .metrics = &serving_metrics},
                           &inference),
        model_service(
            &models, options.allow_reload_rpc ? &applier : nullptr, &control_pool,
            [this] { return MonitoringPage(); }, options.request_log_root),
        session_service(&inference),
        health_service(&health),
        grpc(&request_metrics, static_cast<size_t>(options.grpc_max_threads),
             static_cast<size_t>(options.max_queued_calls)),
        rest(RestOptions(), &inference, &models, &health, &metrics),
        control_pool({.name = "control"}) {
    metrics::AddProcessMetrics(metrics);
    metrics.AddCallback("baton_queued_calls", "Calls waiting for an engine thread.", {},
                        [this] { return static_cast<double>(scheduler.queued_calls()); });
    if (batching != nullptr) {
      metrics.AddCallback("baton_batching_queued_calls", "Calls waiting in batching queues.", {},
                          [this] { return static_cast<double>(batching->queued_calls()); });
      metrics.AddCallback("baton_batching_running_batches", "Batches on batch threads.", {},
                          [this] { return static_cast<double>(batching->running_batches()); });
    }
    metrics.AddCallback("baton_running_calls", "Calls on engine threads.", {},
                        [this] { return static_cast<double>(scheduler.running_calls()); });
    metrics.AddCallback("baton_connections", "Open client connections.", {}, [this] {
      return transport == nullptr ? 0.0 : static_cast<double>(transport->connections());
    });
    prediction_service.Register(grpc);
    model_service.Register(grpc);
    if (options.enable_session_service) session_service.Register(grpc);
    if (options.enable_profiler) {
      profiler_service = std::make_unique<frontend::grpc::ProfilerService>(
          frontend::grpc::ProfilerService::Options{}, &engines);
      profiler_service->Register(grpc);
    }
    if (options.enable_grpc_healthcheck_service) health_service.Register(grpc);
    frontend::grpc::RegisterReflection(grpc);
  }

  ~Parts() {
    // Whoever may still answer a call does so while the front ends live.
    if (transport != nullptr) transport->Stop();
    poller.reset();
    applier.Stop();
    scheduler.Stop();
    if (batching != nullptr) batching->Stop();
    if (tflite_batching != nullptr) tflite_batching->Stop();
    manager.Stop(absl::Now() + absl::Seconds(options.drain_timeout_seconds));
  }

  frontend::http::RestHandler::Options RestOptions();
  // TensorFlow Serving's metrics and those of the engines in use.
  std::string MonitoringPage() const;
  // Logs why an address cannot be had; the status is the contract's one text for it.
  absl::StatusOr<uint16_t> ListenGrpcOn(net::Endpoint endpoint);
  absl::Status ListenGrpc();
  absl::Status ListenRest();

  const Options options;
  const TransportSettings transport_settings;
  // Its threads end in the destructor, its loops only after everything that may hold an exchange:
  // running calls, and reloads that wait for their models.
  std::unique_ptr<net::Server> transport;
  metrics::Registry metrics;
  metrics::ServingMetrics serving_metrics;
  engine::EngineRegistry engines;
  storage::LocalStore store;
  // Outlives whoever may still answer a call, and so log it.
  reqlog::RequestLoggers request_loggers;
  base::ThreadPool reaper;
  scheduling::LaneScheduler scheduler;
  const std::unique_ptr<scheduling::BatchingScheduler> batching;  // null: off
  const std::unique_ptr<scheduling::BatchingScheduler> tflite_batching;
  ServableLoader loader;
  base::ThreadPool load_pool;
  lifecycle::ServableRegistry registry;
  lifecycle::StateMonitor monitor;
  service::RequestMetrics request_metrics;
  service::ModelMetrics state_metrics;
  lifecycle::ServableManager manager;
  lifecycle::StoreSource source;
  lifecycle::ConfigApplier applier;
  service::InferenceService inference;
  service::ModelService models;
  service::Health health;
  frontend::grpc::PredictionService prediction_service;
  frontend::grpc::ModelService model_service;
  frontend::grpc::SessionService session_service;
  frontend::grpc::HealthService health_service;
  frontend::grpc::GrpcHandler grpc;
  frontend::http::RestHandler rest;
  base::ThreadPool control_pool;  // ends first: what it runs holds calls
  std::unique_ptr<frontend::grpc::ProfilerService> profiler_service;  // and this before it
  bool file_had_list = false;  // of --model_config_file at the start
  std::unique_ptr<ConfigFilePoller> poller;
  uint16_t grpc_port = 0;
  uint16_t rest_port = 0;
};

frontend::http::RestHandler::Options Server::Parts::RestOptions() {
  frontend::http::RestHandler::Options rest = RestOptionsOf(options);
  rest.monitoring_path = MonitoringPath(options);
  rest.monitoring_page = [this] { return MonitoringPage(); };
  return rest;
}

std::string Server::Parts::MonitoringPage() const {
  std::string engine_page;
  for (engine::Engine* engine : engines.Loaded()) {
    absl::StatusOr<std::string> page = engine->Query("metrics", {});
    if (page.ok()) engine_page += *page;
  }
  return serving_metrics.Text(engine_page);
}

absl::StatusOr<uint16_t> Server::Parts::ListenGrpcOn(net::Endpoint endpoint) {
  endpoint.protocol = net::Protocol::kHttp2;
  endpoint.tls = CredentialsOf(transport_settings.grpc_tls);
  endpoint.shares_port = transport_settings.channel.shares_port;
  absl::StatusOr<uint16_t> bound = transport->Listen(endpoint, &grpc);
  if (bound.ok()) return bound;
  base::LogError(bound.status().ToString());
  return absl::InvalidArgumentError("Failed to BuildAndStart gRPC server");
}

absl::Status Server::Parts::ListenGrpc() {
  base::LogInfo(transport_settings.grpc_tls == nullptr ? "Using InsecureServerCredentials"
                                                       : "Using SSL credentials");
  grpc.SetMessagePolicy(transport_settings.channel.messages);
  if (options.port != 0) {
    const uint16_t wanted = options.port < 0 ? 0 : static_cast<uint16_t>(options.port);
    BATON_ASSIGN_OR_RETURN(grpc_port, ListenGrpcOn({.address = "[::]", .port = wanted}));
  }
  if (options.grpc_socket_path.empty()) return absl::OkStatus();
  return ListenGrpcOn({.address = base::StrCat("unix:", options.grpc_socket_path)}).status();
}

absl::Status Server::Parts::ListenRest() {
  if (options.rest_api_port == 0) return absl::OkStatus();
  if (options.rest_api_port > 0 && options.rest_api_port == options.port) {
    base::LogError(
        "server_options.http_port cannot be same as grpc_port. Please use a different port for "
        "HTTP/REST API. Skipped exporting HTTP/REST API.");
    return absl::OkStatus();
  }
  const uint16_t wanted =
      options.rest_api_port < 0 ? 0 : static_cast<uint16_t>(options.rest_api_port);
  absl::StatusOr<uint16_t> bound =
      transport->Listen({.address = "[::]",
                         .port = wanted,
                         .protocol = net::Protocol::kHttp11,
                         .tls = CredentialsOf(transport_settings.rest_tls)},
                        &rest);
  if (!bound.ok()) {
    // As TensorFlow Serving: gRPC keeps running without REST.
    base::LogError(base::StrCat("Failed to start HTTP Server at localhost:", wanted, ": ",
                                base::Message(bound.status())));
    return absl::OkStatus();
  }
  rest_port = *bound;
  return absl::OkStatus();
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Server::~Server() = default;

absl::StatusOr<std::unique_ptr<Server>> Server::Create(const Options& options) {
  BATON_RETURN_IF_ERROR(options.Validate());
  BATON_ASSIGN_OR_RETURN(const LoadSettings settings, ReadLoadSettings(options));
  BATON_ASSIGN_OR_RETURN(TransportSettings transport, ReadTransportSettings(options));
  return std::unique_ptr<Server>(
      new Server(std::make_unique<Parts>(options, settings, std::move(transport))));
}

absl::Status Server::LoadModels(absl::AnyInvocable<void(absl::Status)> done) {
  BATON_ASSIGN_OR_RETURN(std::optional<lifecycle::ModelConfigs> models,
                         InitialModels(parts_->options));
  parts_->file_had_list = models.has_value();
  if (!models) {
    done(absl::OkStatus());  // a file that names models later
    return absl::OkStatus();
  }
  parts_->applier.Apply(*std::move(models), lifecycle::ConfigApplier::Reason::kStartup,
                        std::move(done));
  return absl::OkStatus();
}

absl::Status Server::Listen() {
  Parts& parts = *parts_;
  const Options& options = parts.options;
  BATON_ASSIGN_OR_RETURN(
      parts.transport,
      net::Server::Create({.loops = static_cast<int>(CountOrCpus(options.event_loops)),
                           .limits = parts.transport_settings.channel.limits}));
  BATON_RETURN_IF_ERROR(parts.ListenGrpc());
  BATON_RETURN_IF_ERROR(parts.ListenRest());
  parts.health.SetReady(true);
  parts.transport->Start();
  if (!options.model_config_file.empty() && options.model_config_file_poll_wait_seconds > 0) {
    parts.poller = std::make_unique<ConfigFilePoller>(
        options.model_config_file, absl::Seconds(options.model_config_file_poll_wait_seconds),
        parts.file_had_list, &parts.applier);
  }
  // Tools wait for these lines.
  if (parts.grpc_port != 0) {
    base::LogInfo(base::StrCat("Running gRPC ModelServer at 0.0.0.0:", parts.grpc_port, " ..."));
  }
  if (!options.grpc_socket_path.empty()) {
    base::LogInfo(
        base::StrCat("Running gRPC ModelServer at UNIX socket ", options.grpc_socket_path, " ..."));
  }
  if (parts.rest_port != 0) {
    base::LogInfo(base::StrCat("Exporting HTTP/REST API at:localhost:", parts.rest_port, " ..."));
  }
  return absl::OkStatus();
}

uint16_t Server::grpc_port() const { return parts_->grpc_port; }
uint16_t Server::rest_port() const { return parts_->rest_port; }

void Server::SetNotReady() { parts_->health.SetReady(false); }

void Server::Drain(absl::AnyInvocable<void()> done) {
  parts_->poller.reset();
  if (parts_->transport == nullptr) return done();
  parts_->transport->StartDrain(std::move(done));
}

}  // namespace baton::server
