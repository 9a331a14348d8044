#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "server/replay.h"

namespace baton::server {

struct WarmupOptions {
  int64_t iterations = 1;  // of every record; less counts as 1
  int64_t threads = 1;     // records at a time; less counts as 1
};

// Replays the records of <version_dir>/assets.extra/tf_serving_warmup_requests (contract §7), so
// that the first client does not pay for what a model does once. A version without the file is not
// warmed. Returns when all is done, or `target.cancellation` is set. Errors: the first record that
// fails, or what is wrong with the file, in TensorFlow Serving's words; kCancelled.
//
// Threads: called on a load thread, several at once. Owner: ServableLoader.
absl::Status WarmUp(const WarmupOptions& options, const std::string& version_dir,
                    Replay::Target target);

}  // namespace baton::server
