#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "net/endpoint.h"
#include "net/exchange.h"
#include "net/limits.h"

namespace baton::net {

struct ServerOptions {
  int loops = 1;  // event loops, one thread each
  Limits limits = {};
};

// Listeners, loops and connections.
//
// A loop accepts and hands connections out to the loop with the fewest. Life: Listen..., Start,
// StartDrain, Stop. At max_connections, and out of descriptors, new connections wait in the kernel.
//
// Threads: thread-safe after Start. Owner: server/; outlives every exchange it gave out.
//
// Errors: Listen says what could not be bound and why: kInvalidArgument for an address that is
// none, kUnavailable for one that cannot be had.
class Server {
 public:
  static absl::StatusOr<std::unique_ptr<Server>> Create(ServerOptions options);
  ~Server();  // Stop()

  // Binds now, accepts after Start (or at once when started). `handler` outlives the server. An
  // existing socket file is replaced. Returns the bound port (0 for unix).
  absl::StatusOr<uint16_t> Listen(const Endpoint& endpoint, RequestHandler* handler);

  void Start();

  // Stops accepting; tells HTTP/2 peers to go away (GOAWAY with the last stream served), adds
  // "Connection: close" to HTTP/1 answers and closes idle connections. Requests under way are
  // finished. `done` runs once, on a loop thread, when the last connection is gone.
  void StartDrain(absl::AnyInvocable<void()> done);

  // Cuts whatever is left and joins the loops.
  void Stop();

  size_t connections() const;
  const ServerOptions& options() const;

 private:
  class State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace baton::net
