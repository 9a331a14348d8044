#pragma once

#include <cstdint>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/options.h"

namespace baton::server {

// The whole server: the only place that knows every module. Life: Create, LoadModels, Listen, then
// Drain and destruction.
//
// Threads: called from the main thread; `done` callbacks come on others. Owner: main. Errors: the
// texts of contract §1.3 and §5.6.
class Server {
 public:
  static absl::StatusOr<std::unique_ptr<Server>> Create(const Options& options);
  ~Server();

  // Applies the initial configuration; `done` runs when every model has a version AVAILABLE or END.
  absl::Status LoadModels(absl::AnyInvocable<void(absl::Status)> done);

  // Opens the ports and becomes ready.
  absl::Status Listen();
  uint16_t grpc_port() const;
  uint16_t rest_port() const;

  // Readiness off; from here health checks say so.
  void SetNotReady();
  // Stops accepting and lets requests under way finish; `done` runs when the last connection is
  // gone.
  void Drain(absl::AnyInvocable<void()> done);

 private:
  class Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// `baton serve`: parses flags, runs a server until a signal, and returns the process's exit status.
int Serve(const std::string& program, const std::vector<std::string>& arguments);

}  // namespace baton::server
