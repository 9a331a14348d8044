#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "baton/engine_sdk.h"

namespace baton::tflite_engine {

// What the host needs to know of a model.tflite, and proof that its indices are sound. Texts point
// into the file. The runtime verifies the structure of what is not read here, such as the
// operators' options.
struct ModelFile {
  struct Tensor {
    std::optional<std::string_view> name;
    int32_t type = 0;  // of the file's schema, not TfLiteType
    std::vector<int32_t> shape;
  };
  struct OperatorCode {
    int32_t builtin = 0;
    std::string_view custom;
    int32_t version = 1;
  };
  struct Subgraph {
    std::vector<Tensor> tensors;
    std::vector<int32_t> inputs, outputs;
    std::vector<uint32_t> operators;  // the codes of its nodes, in order
    std::vector<uint32_t> calls;      // subgraphs
  };
  struct Signature {
    std::string_view key;
    uint32_t subgraph = 0;
    std::vector<std::pair<std::string_view, uint32_t>> inputs, outputs;  // name, tensor
  };

  std::vector<OperatorCode> operator_codes;
  std::vector<Subgraph> subgraphs;
  std::vector<Signature> signatures;
  // The entry that TensorFlow Serving takes its signatures from.
  std::optional<std::string_view> signature_metadata;
};

// Field numbers of the schema, for whoever reads or writes these tables.
struct ModelFields {
  enum Model {
    kVersion,
    kOperatorCodes,
    kSubgraphs,
    kDescription,
    kBuffers,
    kMetadataBuffer,
    kMetadata,
    kSignatureDefs,
    kNumModelFields
  };
  enum OperatorCode { kDeprecatedBuiltin, kCustomCode, kOperatorVersion, kBuiltin };
  enum Subgraph { kTensors, kInputs, kOutputs, kOperators, kSubgraphName };
  enum Tensor { kShape, kType, kBuffer, kName, kExternalBuffer = 10 };
  enum Operator {
    kOpcodeIndex,
    kOperatorInputs,
    kOperatorOutputs,
    kOptionsType,
    kOptions,
    kIntermediates = 8,
    kLargeCustomOptions = 9,
    kOptions2Type = 11,
    kOptions2 = 12
  };
  enum Buffer { kBytes, kBufferOffset, kBufferSize };
  enum Metadata { kMetadataName, kMetadataBufferIndex };
  enum Signature { kSignatureInputs, kSignatureOutputs, kSignatureKey, kSubgraphIndex = 4 };
  enum NamedTensor { kTensorName, kTensorIndex };
};

// The text of the status says what is wrong with the file, or what it needs that is not served.
sdk::Result<ModelFile> ReadModelFile(std::string_view bytes);

}  // namespace baton::tflite_engine
