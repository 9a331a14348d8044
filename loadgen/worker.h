#pragma once

#include <sys/socket.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "loadgen/connection.h"
#include "loadgen/load.h"
#include "net/connection.h"

namespace baton::loadgen {

// Where the server is, looked up once.
struct ServerAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

enum class LoadPhase { kWarmup, kMeasured, kOver };

// One thread's connections: waits for any of them, reads, lets it answer, writes. A lost connection
// is made again.
//
// Threads: Connect and the accessors before and after, Run on the worker's own thread; `phase` is
// shared. Owner: RunLoad.
class Worker {
 public:
  Worker(const LoadOptions& options, const ServerAddress& address, int connections);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Makes all connections. Errors: kUnavailable.
  absl::Status Connect();
  // Until `phase` is kOver.
  void Run(const std::atomic<LoadPhase>& phase);

  const Tally& tally() const { return tally_; }
  // CPU time of the measured phase.
  uint64_t cpu_nanos() const { return cpu_nanos_; }

 private:
  struct Line {
    int fd = -1;
    bool waits_for_room = false;
    std::unique_ptr<Connection> connection;
    net::OutputQueue out;
  };

  absl::Status Open(Line& line);
  void Reopen(Line& line, const char* why);
  void OnReady(Line& line, uint32_t events);
  bool Read(Line& line);
  bool Write(Line& line);
  void Close(Line& line);

  const LoadOptions& options_;
  const ServerAddress& address_;
  int epoll_fd_ = -1;
  std::vector<Line> lines_;
  std::vector<char> buffer_;
  Tally tally_;
  uint64_t cpu_nanos_ = 0;
};

}  // namespace baton::loadgen
