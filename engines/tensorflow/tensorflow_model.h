#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "baton/engine_sdk.h"
#include "callables.h"
#include "served_signature.h"
#include "session_settings.h"
#include "tensorflow/core/public/session.h"

namespace baton::tf_engine {

// A SavedModel in a session of its own.
//
// Threads: thread-safe. Owner: the host. Errors: TensorFlow's, code and text unchanged.
class TensorflowModel final : public sdk::Model {
 public:
  // `tags` must be exactly those of one meta graph.
  static sdk::Result<std::unique_ptr<sdk::Model>> Load(const std::string& path,
                                                       const std::vector<std::string>& tags,
                                                       const SessionSettings& settings);
  ~TensorflowModel() override;

  const sdk::Description& description() const override { return *description_; }
  sdk::Result<std::unique_ptr<sdk::Instance>> NewInstance() override;

  // Threads inside the kernels of a run; 0: as many as the run may use.
  uint32_t intra_op_threads() const { return intra_op_threads_; }
  const std::vector<ServedSignature>& signatures() const { return signatures_; }
  Callables& callables() { return *callables_; }

 private:
  TensorflowModel() = default;

  uint32_t intra_op_threads_ = 0;
  std::unique_ptr<tensorflow::Session> session_;
  std::vector<ServedSignature> signatures_;
  std::unique_ptr<sdk::Description> description_;
  std::unique_ptr<Callables> callables_;
};

}  // namespace baton::tf_engine
