#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/strings.h"
#include "server/flags.h"
#include "server/options.h"
#include "server/server.h"
#include "server/stop_signal.h"
#include "server/version.h"

namespace baton::server {
namespace {

constexpr int kFailure = 255;  // TensorFlow Serving returns -1

int Fail(const absl::Status& status) {
  std::printf("Failed to start server. Error: %s: %s\n", base::CodeName(status.code()).c_str(),
              std::string(base::Message(status)).c_str());
  std::fflush(stdout);
  return kFailure;
}

// What becomes of the initial load; shared with its callback, which may outlive the wait.
struct LoadResult {
  explicit LoadResult(StopSignal* stop) : stop(stop) {}
  base::Mutex mutex;
  StopSignal* stop ABSL_GUARDED_BY(mutex);
  absl::Status status ABSL_GUARDED_BY(mutex);
};

// False when a signal ended the wait.
bool AwaitModels(Server& server, StopSignal& stop, absl::Status* status) {
  auto result = std::make_shared<LoadResult>(&stop);
  *status = server.LoadModels([result](absl::Status loaded) {
    base::MutexLock lock(result->mutex);
    result->status = std::move(loaded);
    if (result->stop != nullptr) result->stop->Notify();
  });
  if (!status->ok()) return true;
  const StopSignal::Event event = stop.Wait();
  base::MutexLock lock(result->mutex);
  result->stop = nullptr;
  *status = result->status;
  return event == StopSignal::Event::kNotified;
}

// Readiness off, GOAWAY, finish, leave; a second signal or the timeout cuts what is left.
void DrainAndStop(Server& server, StopSignal& stop, const Options& options) {
  base::LogInfo(
      base::StrCat("Received ", stop.sender(), ": no longer ready, finishing requests under way"));
  server.SetNotReady();
  if (options.drain_delay_seconds > 0) stop.Wait(absl::Seconds(options.drain_delay_seconds));
  server.Drain([&stop] { stop.Notify(); });
  switch (stop.Wait(absl::Seconds(options.drain_timeout_seconds))) {
    case StopSignal::Event::kNotified:
      base::LogInfo("Drained: every request was answered");
      break;
    case StopSignal::Event::kTimeout:
      base::LogWarning(base::StrCat("Not drained within --drain_timeout_seconds=",
                                    options.drain_timeout_seconds, ": cutting what is left"));
      break;
    case StopSignal::Event::kSignal:
      base::LogWarning("Received a second signal: cutting requests under way");
      break;
  }
}

// Takes the server apart, but does not wait for ever: a load that hangs (a dead network file
// system) cannot be interrupted, and a second signal means now.
void DestroyOrLeave(std::unique_ptr<Server> server, StopSignal& stop, const Options& options) {
  std::atomic<bool> destroyed{false};
  std::thread destroyer([&] {
    server.reset();
    destroyed = true;
    stop.Notify();
  });
  const absl::Time until = absl::Now() + absl::Seconds(options.drain_timeout_seconds + 5);
  while (!destroyed) {
    // A notification may also be the late end of the drain.
    if (stop.Wait(until - absl::Now()) == StopSignal::Event::kNotified) continue;
    if (destroyed) break;
    base::LogWarning("Left with work that does not end: a load or a run is stuck");
    std::_Exit(0);
  }
  destroyer.join();
}

// What engines read from the environment when they are opened; an operator's own setting stays.
// Before any thread starts, because setenv is not safe beside getenv.
void SetEngineEnvironment() {
  // TensorFlow's oneDNN pool would keep the memory of every model that was ever loaded.
  setenv("TF_ONEDNN_USE_SYSTEM_ALLOCATOR", "1", 0);
  setenv("TF_CPP_MIN_LOG_LEVEL", "2", 0);
}

}  // namespace

int Serve(const std::string& program, const std::vector<std::string>& arguments) {
  SetEngineEnvironment();
  Options options;
  FlagSet flags;
  options.Register(flags);
  const FlagSet::Result parsed = flags.Parse(arguments);
  for (const std::string& error : parsed.errors) base::LogError(error);
  if (!parsed.ok) {
    std::printf("%s", flags.Usage(program).c_str());
    return kFailure;
  }
  if (options.version) {
    PrintVersion(options.engine_dir);
    return 0;
  }
  if (!parsed.unknown.empty()) {
    if (parsed.unknown[0] == "--help") {
      std::printf("%s", flags.Usage(program).c_str());
      return kFailure;
    }
    std::printf("unknown argument: %s\n%s", parsed.unknown[0].c_str(),
                flags.Usage(program).c_str());
    std::fflush(stdout);
  }
  if (options.log_format == "json") base::SetLogFormat(base::LogFormat::kJson);

  StopSignal stop;
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Create(options);
  if (!server.ok()) return Fail(server.status());
  absl::Status status;
  if (!AwaitModels(**server, stop, &status)) {
    base::LogInfo("Received a signal to stop while models were loading");
    // A load cannot be interrupted, and nothing was served yet.
    std::_Exit(0);
  }
  if (!status.ok()) {
    const int exit_code = Fail(status);
    std::_Exit(exit_code);
  }
  status = (*server)->Listen();
  if (!status.ok()) return Fail(status);

  while (stop.Wait() != StopSignal::Event::kSignal) {
  }
  DrainAndStop(**server, stop, options);
  DestroyOrLeave(*std::move(server), stop, options);
  base::LogInfo("Stopped");
  return 0;
}

}  // namespace baton::server
