#include "model_file.h"

#include <algorithm>
#include <string>

#include "flat_buffer.h"

namespace baton::tflite_engine {
namespace {

using F = ModelFields;

constexpr std::string_view kIdentifier = "TFL3";
constexpr std::string_view kSignatureMetadata = "signature_defs_metadata";
constexpr uint32_t kMaxSubgraphs = 1024;
// The runtime prepares and runs a called subgraph on the caller's stack.
constexpr size_t kMaxCallDepth = 16;
constexpr int32_t kMaxTensorType = 22;
constexpr uint64_t kMaxElements = uint64_t{1} << 33;

sdk::Status Broken(std::string what) { return {sdk::Code::kInvalidArgument, std::move(what)}; }

// Where the options of an operator that calls subgraphs keep their indices.
struct CallingOptions {
  uint8_t type;
  bool is_second_union;
  std::vector<uint32_t> fields;
};
const std::vector<CallingOptions>& AllCallingOptions() {
  static const auto& all = *new std::vector<CallingOptions>{
      {16, false, {0}},     // CALL
      {92, false, {0, 1}},  // IF
      {93, false, {0, 1}},  // WHILE
      {103, false, {0}},    // CALL_ONCE
      {6, true, {1}},       // STABLEHLO_REDUCE
      {7, true, {6}},       // STABLEHLO_SCATTER
      {13, true, {5}},      // STABLEHLO_REDUCE_WINDOW
      {14, true, {2}},      // STABLEHLO_SORT
      {15, true, {0, 1}},   // STABLEHLO_WHILE
      {21, true, {1}},      // STABLEHLO_COMPOSITE
  };
  return all;
}
constexpr uint8_t kCaseOptions = 23;  // a vector of indices in field 0

class Reader {
 public:
  explicit Reader(std::string_view bytes) : file_(bytes) {}

  sdk::Result<ModelFile> Read() {
    const FlatTable model = file_.Root();
    // Their files may lie anywhere on this machine.
    for (uint32_t field = F::kNumModelFields; field < model.num_fields(); ++field) {
      if (model.Has(field)) return Broken("weights in other files are not supported");
    }
    buffers_ = model.Vector(F::kBuffers, 4);
    for (auto step : {&Reader::ReadBuffers, &Reader::ReadOperatorCodes, &Reader::ReadSubgraphs,
                      &Reader::ReadSignatures, &Reader::ReadMetadata}) {
      if (sdk::Status status = (this->*step)(model); !status.ok()) return status;
    }
    if (file_.is_broken() || !model.exists()) return Broken("it is cut short or damaged");
    if (sdk::Status status = CheckCalls(); !status.ok()) return status;
    return std::move(result_);
  }

 private:
  sdk::Status ReadBuffers(const FlatTable&) {
    for (uint32_t i = 0; i < buffers_.size() && !file_.is_broken(); ++i) {
      const FlatTable buffer = buffers_.Table(i);
      if (buffer.Number<uint64_t>(F::kBufferOffset) > 1) {
        return Broken("weights behind the flatbuffer are not supported");
      }
    }
    return {};
  }

  sdk::Status ReadOperatorCodes(const FlatTable& model) {
    const FlatVector codes = model.Vector(F::kOperatorCodes, 4);
    for (uint32_t i = 0; i < codes.size() && !file_.is_broken(); ++i) {
      const FlatTable code = codes.Table(i);
      // Numbers above 127 are in the newer field only.
      const int32_t builtin = std::max<int32_t>(code.Number<int8_t>(F::kDeprecatedBuiltin),
                                                code.Number<int32_t>(F::kBuiltin));
      result_.operator_codes.push_back(
          {builtin, code.String(F::kCustomCode), code.Number<int32_t>(F::kOperatorVersion, 1)});
    }
    return {};
  }

  sdk::Status ReadSubgraphs(const FlatTable& model) {
    const FlatVector subgraphs = model.Vector(F::kSubgraphs, 4);
    if (subgraphs.size() == 0) return Broken("it has no subgraph");
    if (subgraphs.size() > kMaxSubgraphs) return Broken("it has too many subgraphs");
    num_subgraphs_ = subgraphs.size();
    for (uint32_t i = 0; i < subgraphs.size() && !file_.is_broken(); ++i) {
      const FlatTable table = subgraphs.Table(i);
      ModelFile::Subgraph& subgraph = result_.subgraphs.emplace_back();
      if (sdk::Status status = ReadTensors(table, &subgraph); !status.ok()) return status;
      if (!ReadIndices(table.Vector(F::kInputs, 4), 0, subgraph, &subgraph.inputs) ||
          !ReadIndices(table.Vector(F::kOutputs, 4), 0, subgraph, &subgraph.outputs)) {
        return Broken("an input or output of a subgraph is no tensor of it");
      }
      if (sdk::Status status = ReadOperators(table, &subgraph); !status.ok()) return status;
    }
    return {};
  }

  sdk::Status ReadTensors(const FlatTable& table, ModelFile::Subgraph* subgraph) {
    const FlatVector tensors = table.Vector(F::kTensors, 4);
    for (uint32_t i = 0; i < tensors.size() && !file_.is_broken(); ++i) {
      const FlatTable from = tensors.Table(i);
      ModelFile::Tensor& tensor = subgraph->tensors.emplace_back();
      if (from.Has(F::kName)) tensor.name = from.String(F::kName);
      tensor.type = from.Number<int8_t>(F::kType);
      if (tensor.type < 0 || tensor.type > kMaxTensorType) {
        return Broken("a tensor has the unknown type " + std::to_string(tensor.type));
      }
      if (from.Number<uint32_t>(F::kBuffer) >= std::max(1u, buffers_.size())) {
        return Broken("a tensor refers to a buffer that is not there");
      }
      if (from.Number<uint32_t>(F::kExternalBuffer) != 0) {
        return Broken("weights in other files are not supported");
      }
      uint64_t elements = 1;
      const FlatVector shape = from.Vector(F::kShape, 4);
      for (uint32_t d = 0; d < shape.size(); ++d) {
        const int32_t dim = tensor.shape.emplace_back(shape.Int(d));
        if (dim < 0 || __builtin_mul_overflow(elements, static_cast<uint64_t>(dim), &elements) ||
            elements > kMaxElements) {
          return Broken("a tensor has a negative or far too large shape");
        }
      }
    }
    return {};
  }

  // False when an index is below `least` or not that of a tensor.
  static bool ReadIndices(const FlatVector& from, int32_t least,
                          const ModelFile::Subgraph& subgraph, std::vector<int32_t>* to) {
    for (uint32_t i = 0; i < from.size(); ++i) {
      const int32_t index = from.Int(i);
      if (index < least || index >= static_cast<int64_t>(subgraph.tensors.size())) return false;
      if (to != nullptr) to->push_back(index);
    }
    return true;
  }

  sdk::Status ReadOperators(const FlatTable& table, ModelFile::Subgraph* subgraph) {
    const FlatVector operators = table.Vector(F::kOperators, 4);
    for (uint32_t i = 0; i < operators.size() && !file_.is_broken(); ++i) {
      const FlatTable node = operators.Table(i);
      const auto code = node.Number<uint32_t>(F::kOpcodeIndex);
      if (code >= result_.operator_codes.size()) return Broken("a node has no operator code");
      subgraph->operators.push_back(code);
      // -1 stands for an operand that is left out.
      for (uint32_t field : {F::kOperatorInputs, F::kOperatorOutputs, F::kIntermediates}) {
        if (!ReadIndices(node.Vector(field, 4), -1, *subgraph, nullptr)) {
          return Broken("an operand of a node is no tensor of its subgraph");
        }
      }
      if (node.Number<uint64_t>(F::kLargeCustomOptions) > 1) {
        return Broken("options behind the flatbuffer are not supported");
      }
      if (sdk::Status status = ReadCalls(node, subgraph); !status.ok()) return status;
    }
    return {};
  }

  sdk::Status ReadCalls(const FlatTable& node, ModelFile::Subgraph* subgraph) {
    const auto type = node.Number<uint8_t>(F::kOptionsType);
    const auto type2 = node.Number<uint8_t>(F::kOptions2Type);
    const size_t before = subgraph->calls.size();
    for (const CallingOptions& options : AllCallingOptions()) {
      if (options.type != (options.is_second_union ? type2 : type)) continue;
      const FlatTable table = node.Table(options.is_second_union ? F::kOptions2 : F::kOptions);
      for (uint32_t field : options.fields) {
        subgraph->calls.push_back(table.Number<uint32_t>(field));
      }
    }
    if (type2 == kCaseOptions) {
      const FlatVector branches = node.Table(F::kOptions2).Vector(0, 4);
      for (uint32_t i = 0; i < branches.size(); ++i) {
        subgraph->calls.push_back(static_cast<uint32_t>(branches.Int(i)));
      }
    }
    for (size_t i = before; i < subgraph->calls.size(); ++i) {
      if (subgraph->calls[i] >= num_subgraphs_)
        return Broken("a node calls no subgraph of the model");
    }
    return {};
  }

  sdk::Status ReadSignatures(const FlatTable& model) {
    const FlatVector signatures = model.Vector(F::kSignatureDefs, 4);
    for (uint32_t i = 0; i < signatures.size() && !file_.is_broken(); ++i) {
      const FlatTable from = signatures.Table(i);
      ModelFile::Signature& signature = result_.signatures.emplace_back();
      signature.key = from.String(F::kSignatureKey);
      signature.subgraph = from.Number<uint32_t>(F::kSubgraphIndex);
      if (signature.subgraph >= result_.subgraphs.size()) {
        return Broken("a signature is of no subgraph of the model");
      }
      const ModelFile::Subgraph& subgraph = result_.subgraphs[signature.subgraph];
      if (!ReadNames(from.Vector(F::kSignatureInputs, 4), subgraph.inputs, &signature.inputs) ||
          !ReadNames(from.Vector(F::kSignatureOutputs, 4), subgraph.outputs, &signature.outputs)) {
        return Broken("a signature names what is no input or output of its subgraph");
      }
    }
    return {};
  }

  static bool ReadNames(const FlatVector& from, const std::vector<int32_t>& among,
                        std::vector<std::pair<std::string_view, uint32_t>>* to) {
    for (uint32_t i = 0; i < from.size(); ++i) {
      const FlatTable entry = from.Table(i);
      const auto tensor = entry.Number<uint32_t>(F::kTensorIndex);
      if (std::find(among.begin(), among.end(), static_cast<int64_t>(tensor)) == among.end()) {
        return false;
      }
      to->emplace_back(entry.String(F::kTensorName), tensor);
    }
    return true;
  }

  sdk::Status ReadMetadata(const FlatTable& model) {
    const FlatVector entries = model.Vector(F::kMetadata, 4);
    for (uint32_t i = 0; i < entries.size() && !file_.is_broken(); ++i) {
      const FlatTable entry = entries.Table(i);
      const auto buffer = entry.Number<uint32_t>(F::kMetadataBufferIndex);
      if (buffer >= buffers_.size()) return Broken("metadata refer to a buffer that is not there");
      if (entry.String(F::kMetadataName) == kSignatureMetadata && !result_.signature_metadata) {
        result_.signature_metadata = buffers_.Table(buffer).Vector(F::kBytes, 1).bytes();
      }
    }
    return {};
  }

  // A subgraph that reaches itself would never end.
  sdk::Status CheckCalls() const {
    std::vector<size_t> depth(num_subgraphs_, 0);  // of the longest chain of calls, once known
    for (size_t round = 0; round <= kMaxCallDepth; ++round) {
      bool has_changed = false;
      for (size_t i = 0; i < num_subgraphs_; ++i) {
        for (uint32_t callee : result_.subgraphs[i].calls) {
          if (depth[i] < depth[callee] + 1) {
            depth[i] = depth[callee] + 1;
            has_changed = true;
          }
        }
      }
      if (!has_changed) return {};
    }
    return Broken("its subgraphs call each other in a circle, or too deep");
  }

  FlatFile file_;
  FlatVector buffers_;
  uint32_t num_subgraphs_ = 0;
  ModelFile result_;
};

}  // namespace

sdk::Result<ModelFile> ReadModelFile(std::string_view bytes) {
  if (bytes.size() < 16 || bytes.substr(4, kIdentifier.size()) != kIdentifier) {
    return Broken("it is not a TensorFlow Lite model");
  }
  if (bytes.size() > INT32_MAX - (1 << 24)) return Broken("it is larger than 2 GiB");
  return Reader(bytes).Read();
}

}  // namespace baton::tflite_engine
