#include "tracer.h"

#include <utility>

#include "tensorflow/tsl/profiler/protobuf/profiler_options.pb.h"
#include "tensorflow/tsl/profiler/protobuf/xplane.pb.h"
#include "tf_status.h"

namespace baton::tf_engine {
namespace {

bool HasEvents(const tensorflow::profiler::XSpace& space) {
  for (const auto& plane : space.planes()) {
    for (const auto& line : plane.lines()) {
      if (line.events_size() > 0) return true;
    }
  }
  return false;
}

}  // namespace

sdk::Status Tracer::Start(std::string_view options) {
  tensorflow::ProfileOptions parsed = tsl::ProfilerSession::DefaultOptions();
  if (!options.empty() && !parsed.ParseFromString(options)) {
    return {sdk::Code::kInvalidArgument, "malformed ProfileOptions"};
  }
  // TensorFlow would sleep until then, under its lock.
  parsed.set_start_timestamp_ns(0);
  std::lock_guard lock(mutex_);
  if (session_ != nullptr) {
    return {sdk::Code::kInternal, "Another profiling session active."};
  }
  std::unique_ptr<tsl::ProfilerSession> session = tsl::ProfilerSession::Create(parsed);
  if (absl::Status status = session->Status(); !status.ok()) {
    return {sdk::Code::kInternal, std::string(status.message())};
  }
  session_ = std::move(session);
  return {};
}

sdk::Result<std::string> Tracer::Collect() {
  std::lock_guard lock(mutex_);
  if (session_ == nullptr) {
    return sdk::Status(sdk::Code::kFailedPrecondition, "no trace was started");
  }
  tensorflow::profiler::XSpace space;
  const absl::Status status = session_->CollectData(&space);
  session_.reset();
  if (!status.ok()) return FromTf(status);
  return HasEvents(space) ? space.SerializeAsString() : std::string();
}

}  // namespace baton::tf_engine
