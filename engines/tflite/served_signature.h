#pragma once

#include <cstdint>
#include <vector>

#include "baton/engine_sdk.h"
#include "interpreter.h"
#include "model_file.h"

namespace baton::tflite_engine {

// A signature of a loaded model, its ports in the order of sdk::Description: sorted by name.
struct ServedSignature {
  uint32_t graph = 0;
  std::vector<uint32_t> inputs;   // port -> position among the inputs of the graph
  std::vector<uint32_t> outputs;  // port -> position among its outputs
};

// What of a file is served, and under which names.
struct Serving {
  std::vector<uint32_t> subgraphs;  // graphs[i] is this one of the file
  std::vector<ServedGraph> graphs;
  std::vector<ServedSignature> signatures;  // sorted by name, as `described`
  std::vector<sdk::Signature> described;
};

// TensorFlow Serving's rules: the signatures of the metadata entry, all of the first subgraph;
// without one, a single signature whose names are those of the tensors. In the latter case,
// signatures of the converter's own table come on top, which TensorFlow Serving does not see, under
// their keys unless that is serving_default.
//
// Errors: TensorFlow Serving's; INTERNAL for element types that it does not serve.
sdk::Result<Serving> MakeServing(const ModelFile& file);

// TensorFlow's number for a lite::Type; 0 for one that is not served.
int32_t ServedDtype(int32_t type);
// Of one element; 0 for texts.
uint64_t ElementBytes(int32_t type);

}  // namespace baton::tflite_engine
