#pragma once

#include "absl/time/time.h"
#include "base/executor.h"
#include "engine/engine_trace.h"
#include "frontend/grpc/grpc_handler.h"

namespace baton::frontend::grpc {

// tensorflow.ProfilerService: Profile takes a trace of the engine in use, Terminate ends it early,
// Monitor is refused as TensorFlow's own CPU server does. One trace at a time.
//
// The trace goes back in the answer and the client saves it. TensorFlow's server would write it
// into the folder that the request names; whoever can reach the port could write files then.
//
// Threads: thread-safe; a trace has a thread of its own. Owner: server/; ends before the front
// ends' loops. Errors: those of EngineTrace; INVALID_ARGUMENT for a duration above the limit, since
// a trace grows in memory.
class ProfilerService {
 public:
  struct Options {
    absl::Duration max_duration = absl::Seconds(60);
  };

  ProfilerService(Options options, const engine::EngineRegistry* engines);
  ~ProfilerService();

  void Register(GrpcHandler& handler);

 private:
  void Profile(UnaryCallPtr call);
  void Terminate(const UnaryCallPtr& call);

  const Options options_;
  engine::EngineTrace trace_;
  base::ThreadPool thread_;  // ends first: what it runs uses trace_
};

}  // namespace baton::frontend::grpc
