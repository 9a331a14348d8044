#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/container/inlined_vector.h"
#include "predict/call.h"

namespace baton::scheduling {

// Which requests of a model may share a run: those with the same inputs and the same set of
// outputs. A value.
class BatchKey {
 public:
  struct Hash {
    size_t operator()(const BatchKey& key) const;
  };

  BatchKey() = default;
  // REQUIRES: input ports ascend, by signature and number.
  explicit BatchKey(const predict::PredictRequest& request);

  bool operator==(const BatchKey& other) const { return ports_ == other.ports_; }

 private:
  absl::InlinedVector<uint64_t, 8> ports_;
};

}  // namespace baton::scheduling
