#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "net/exchange.h"

namespace baton::net {

// Limits on what a peer controls; docs/limits.md lists them with their flags.
struct Limits {
  size_t max_header_bytes = 1 << 20;       // all fields of one request
  size_t max_headers = 1000;               // fields of one request
  uint32_t max_concurrent_streams = 1024;  // HTTP/2, per connection
  size_t max_connections = 65536;          // over all loops
  size_t max_pipelined = 64;               // HTTP/1 requests read ahead of their answers
  // From the first byte of a request to the end of its headers.
  absl::Duration header_timeout = absl::Seconds(60);
  // HTTP/2 frames a peer may make us answer or reset without a request between them, before the
  // connection is closed.
  uint32_t max_control_frames = 10000;
};

struct ServerOptions {
  int loops = 1;  // event loops, one thread each
  Limits limits = {};
};

struct Endpoint {
  // "0.0.0.0", "[::]" with dual stack, "127.0.0.1", or "unix:/path".
  std::string address;
  uint16_t port = 0;                      // 0: any free port; ignored for unix
  Protocol protocol = Protocol::kHttp11;  // kHttp2: prior knowledge (h2c)
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
