#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "loadgen/histogram.h"
#include "loadgen/load.h"
#include "net/connection.h"

namespace baton::loadgen {

// Where a worker's connections count their answers.
//
// Threads: confined to its worker. Owner: the worker.
class Tally {
 public:
  // Forgets what was counted so far: the warm-up is over.
  void Restart();
  void Good(uint64_t nanos);
  void Bad(std::string_view what);

  uint64_t requests() const { return latency_.count() + bad_; }
  const Histogram& latency() const { return latency_; }
  const std::map<std::string, uint64_t>& errors() const { return errors_; }

 private:
  Histogram latency_;
  uint64_t bad_ = 0;
  std::map<std::string, uint64_t> errors_;
};

// One connection's closed loop, without its socket: bytes in, bytes out, every answer brings the
// next request.
//
// Threads: confined to its worker. Owner: the worker. Errors: a false return ends the connection;
// the requests then under way count as lost.
class Connection {
 public:
  virtual ~Connection() = default;
  // Sends the first requests.
  virtual void Start(uint64_t now_nanos) = 0;
  virtual bool OnBytes(std::string_view bytes, uint64_t now_nanos) = 0;
  virtual void CollectOutput(net::OutputQueue& out) = 0;
  virtual int requests_under_way() const = 0;
};

// `options` and `tally` outlive the connection.
std::unique_ptr<Connection> MakeGrpcConnection(const LoadOptions& options, Tally* tally);
std::unique_ptr<Connection> MakeRestConnection(const LoadOptions& options, Tally* tally);

}  // namespace baton::loadgen
