#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include "baton/engine_sdk.h"
#include "model_file.h"

namespace baton::tflite_engine {

// Memory as the runtime wants it: 64-byte aligned, and alive as long as the model.
class ModelBytes {
 public:
  explicit ModelBytes(size_t size)
      : data_(static_cast<char*>(std::aligned_alloc(64, (size + 63) / 64 * 64)), &std::free),
        size_(size) {
    if (data_ == nullptr) throw std::bad_alloc();
  }
  char* data() { return data_.get(); }
  const char* data() const { return data_.get(); }
  size_t size() const { return size_; }

 private:
  std::unique_ptr<char, void (*)(void*)> data_;
  size_t size_;
};

// The same model with another head: the runtime reads the outputs of the subgraphs in `served`, in
// this order, as those of signatures 0, 1 and so on.
//
// LiteRT copies outputs into buffers whose sizes must be known before the run, and fails for
// tensors whose shape only the run knows. So each output gets one more node behind all others,
// RANK, whose result is one number; that becomes the subgraph's output, and the tensor itself is
// read in place after the run, when nothing has reused its memory. Nothing of the file is moved or
// copied but the vectors that grow: references in a flatbuffer point forward, so the new head goes
// in front.
//
// `file` was read from `bytes`.
ModelBytes WithServingHead(std::string_view bytes, const ModelFile& file,
                           const std::vector<uint32_t>& served);

// A model with no node and this one operator code: whether the runtime builds it tells whether it
// has the operator.
std::vector<char> ModelWithOperator(const ModelFile::OperatorCode& code);

}  // namespace baton::tflite_engine
