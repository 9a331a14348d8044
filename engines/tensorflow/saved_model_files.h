#pragma once

#include <cstdint>
#include <string>

#include "baton/engine_sdk.h"

namespace baton::tf_engine {

// Whether `path` is a SavedModel, from file names, sizes and the outermost framing of
// saved_model.pb only. MAYBE: a file is empty or cut, or a shard of the variables is missing.
sdk::ProbeAnswer ProbeSavedModel(const std::string& path);

// Whether there is a SavedModel in any of its forms, whole or not.
bool HasSavedModel(const std::string& path);

// An export of TensorFlow before 1.0, which no later release can load.
bool IsSessionBundle(const std::string& path);

struct ModelFiles {
  uint64_t total_bytes = 0;      // every file below the folder
  uint64_t variables_bytes = 0;  // of them, below variables/
};
sdk::Result<ModelFiles> MeasureFiles(const std::string& path);

// What a load may take: 1.2 times the files, as TensorFlow Serving reserves.
inline uint64_t EstimatedBytes(const ModelFiles& files) {
  return files.total_bytes + files.total_bytes / 5;
}

}  // namespace baton::tf_engine
