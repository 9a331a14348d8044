#include "loadgen/load.h"

#include <netdb.h>

#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "loadgen/server_cpu.h"
#include "loadgen/worker.h"

namespace baton::loadgen {
namespace {

absl::Status Check(const LoadOptions& options) {
  if (options.connections < 1 || options.streams < 1 || options.threads < 1) {
    return absl::InvalidArgumentError("connections, streams and threads must be at least 1");
  }
  if (options.duration <= absl::ZeroDuration() || options.warmup < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("the duration must be positive");
  }
  if (options.path.empty() || options.path[0] != '/') {
    return absl::InvalidArgumentError(
        base::StrCat("the path \"", options.path, "\" must begin with a slash"));
  }
  return absl::OkStatus();
}

absl::StatusOr<ServerAddress> LookUp(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) {
    return absl::UnavailableError(
        base::StrCat("cannot look up \"", host, "\": ", gai_strerror(error)));
  }
  ServerAddress address;
  std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
  address.size = found->ai_addrlen;
  freeaddrinfo(found);
  return address;
}

absl::StatusOr<uint64_t> ServerCpu(const LoadOptions& options) {
  return options.server_pid == 0 ? absl::StatusOr<uint64_t>(0) : CpuNanosOf(options.server_pid);
}

}  // namespace

absl::StatusOr<LoadReport> RunLoad(const LoadOptions& options) {
  BATON_RETURN_IF_ERROR(Check(options));
  BATON_ASSIGN_OR_RETURN(const ServerAddress address, LookUp(options.host, options.port));
  const int threads = std::min(options.threads, options.connections);
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < threads; ++i) {
    const int share = options.connections / threads + (i < options.connections % threads ? 1 : 0);
    workers.push_back(std::make_unique<Worker>(options, address, share));
    BATON_RETURN_IF_ERROR(workers.back()->Connect());
  }

  std::atomic<LoadPhase> phase{LoadPhase::kWarmup};
  std::vector<std::jthread> running;
  for (const std::unique_ptr<Worker>& worker : workers) {
    running.emplace_back([&worker, &phase] { worker->Run(phase); });
  }
  absl::SleepFor(options.warmup);
  const absl::StatusOr<uint64_t> cpu_before = ServerCpu(options);
  const absl::Time start = absl::Now();
  phase = LoadPhase::kMeasured;
  absl::SleepFor(options.duration);
  phase = LoadPhase::kOver;
  LoadReport report;
  report.elapsed = absl::Now() - start;
  const absl::StatusOr<uint64_t> cpu_after = ServerCpu(options);
  running.clear();  // joins
  BATON_RETURN_IF_ERROR(cpu_before.status());
  BATON_RETURN_IF_ERROR(cpu_after.status());

  uint64_t own_nanos = 0;
  for (const std::unique_ptr<Worker>& worker : workers) {
    report.requests += worker->tally().requests();
    report.good += worker->tally().latency().count();
    report.latency.Add(worker->tally().latency());
    own_nanos += worker->cpu_nanos();
    for (const auto& [what, count] : worker->tally().errors()) {
      report.errors[what] += count;
    }
  }
  if (report.requests > 0) {
    const double requests = static_cast<double>(report.requests);
    report.own_cpu_micros = static_cast<double>(own_nanos) / 1000 / requests;
    if (options.server_pid != 0) {
      report.server_cpu_micros = static_cast<double>(*cpu_after - *cpu_before) / 1000 / requests;
    }
  }
  return report;
}

}  // namespace baton::loadgen
