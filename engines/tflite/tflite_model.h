#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "baton/engine_sdk.h"
#include "interpreter.h"
#include "served_signature.h"

namespace baton::tflite_engine {

constexpr char kFileName[] = "/model.tflite";

// Upper bound of what a load takes: the file twice, weights once more in the order the kernels
// want.
inline uint64_t EstimatedBytes(uint64_t file_bytes) { return 4 * file_bytes + (16 << 20); }

// A model.tflite and its signatures.
//
// Threads: thread-safe. Owner: the host. Errors: TensorFlow Serving's texts, some with the reason
// behind them.
class TfliteModel final : public sdk::Model {
 public:
  static sdk::Result<std::unique_ptr<sdk::Model>> Load(const Runtime& runtime,
                                                       const std::string& path,
                                                       uint32_t max_instances);

  const sdk::Description& description() const override { return *description_; }
  sdk::Result<std::unique_ptr<sdk::Instance>> NewInstance() override;

  const std::vector<ServedGraph>& graphs() const { return program_->graphs(); }
  const std::vector<ServedSignature>& signatures() const { return signatures_; }

 private:
  TfliteModel() = default;

  std::unique_ptr<Program> program_;
  std::vector<ServedSignature> signatures_;
  std::unique_ptr<sdk::Description> description_;
  std::mutex mutex_;
  std::unique_ptr<Interpreter> first_;  // made to check the model, until somebody wants it
};

}  // namespace baton::tflite_engine
