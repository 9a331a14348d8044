#include "graph_head.h"

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <string>

#include "flat_buffer.h"

namespace baton::tflite_engine {
namespace {

using F = ModelFields;

// Built-in operators, version 1.
constexpr int32_t kRank = 110;
constexpr int32_t kNeg = 59;
constexpr uint8_t kInt32 = 2;  // tensor type of the schema
constexpr uint32_t kSchemaVersion = 3;

// Writes the front of a flatbuffer: parents before children, since references point forward, and
// references into the old file once the size of the front is known.
class HeadWriter {
 public:
  // A field of four bytes, which serves for smaller numbers as well, or a reference to be set
  // later.
  struct Field {
    uint32_t number;
    uint32_t value = 0;
  };

  HeadWriter() {
    Append32(0);  // the reference to the root
    bytes_.insert(bytes_.end(), {'T', 'F', 'L', '3'});
  }

  // Returns the position of the table; field i of the list lies at that + 4 + 4 * i.
  size_t Table(std::initializer_list<Field> fields) {
    uint32_t count = 0;
    for (const Field& field : fields) count = std::max(count, field.number + 1);
    const size_t vtable = bytes_.size();
    std::vector<uint16_t> entries(2 + count);
    entries[0] = static_cast<uint16_t>(entries.size() * 2);
    entries[1] = static_cast<uint16_t>(4 + 4 * fields.size());
    uint16_t offset = 4;
    for (const Field& field : fields) {
      entries[2 + field.number] = offset;
      offset = static_cast<uint16_t>(offset + 4);
    }
    if (entries.size() % 2 != 0) entries.push_back(0);
    const auto* raw = reinterpret_cast<const char*>(entries.data());
    bytes_.insert(bytes_.end(), raw, raw + entries.size() * 2);
    const size_t table = bytes_.size();
    Append32(static_cast<uint32_t>(table - vtable));
    for (const Field& field : fields) Append32(field.value);
    return table;
  }

  // Vectors; a reference at index i lies at position + 4 + 4 * i.
  size_t References(size_t count) { return Integers(std::vector<int32_t>(count)); }
  size_t Integers(const std::vector<int32_t>& values) {
    const size_t position = bytes_.size();
    Append32(static_cast<uint32_t>(values.size()));
    for (int32_t value : values) Append32(static_cast<uint32_t>(value));
    return position;
  }
  size_t String(std::string_view text) {
    const size_t position = bytes_.size();
    Append32(static_cast<uint32_t>(text.size()));
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    bytes_.resize((bytes_.size() + 4) / 4 * 4);  // at least one NUL
    return position;
  }

  void Point(size_t reference, size_t target) {
    Set32(reference, static_cast<uint32_t>(target - reference));
  }
  void PointToOld(size_t reference, uint64_t target) { old_.push_back({reference, target}); }

  // The head, as long as it takes for the old file to lie as aligned as before.
  std::vector<char> Finish() {
    bytes_.resize((bytes_.size() + 63) / 64 * 64);
    for (const auto& [reference, target] : old_) {
      Set32(reference, static_cast<uint32_t>(bytes_.size() + target - reference));
    }
    return std::move(bytes_);
  }

 private:
  void Append32(uint32_t value) {
    bytes_.resize(bytes_.size() + 4);
    Set32(bytes_.size() - 4, value);
  }
  void Set32(size_t position, uint32_t value) { std::memcpy(&bytes_[position], &value, 4); }

  std::vector<char> bytes_;
  std::vector<std::pair<size_t, uint64_t>> old_;
};

size_t Slot(size_t position, size_t index) { return position + 4 + 4 * index; }

// A vector of references to the tables of an old one, with room for `more` at its end.
size_t Grown(HeadWriter& head, const FlatVector& old, size_t more) {
  const size_t vector = head.References(old.size() + more);
  for (uint32_t i = 0; i < old.size(); ++i) head.PointToOld(Slot(vector, i), old.Target(i));
  return vector;
}

class ServingHead {
 public:
  ServingHead(std::string_view bytes, const ModelFile& file, const std::vector<uint32_t>& served)
      : old_(bytes), file_(file), served_(served), model_(old_.Root()) {}

  std::vector<char> Write() {
    const bool has_metadata = model_.Has(F::kMetadata);
    const size_t model = has_metadata ? head_.Table({{F::kVersion, kSchemaVersion},
                                                     {F::kOperatorCodes},
                                                     {F::kSubgraphs},
                                                     {F::kBuffers},
                                                     {F::kSignatureDefs},
                                                     {F::kMetadata}})
                                      : head_.Table({{F::kVersion, kSchemaVersion},
                                                     {F::kOperatorCodes},
                                                     {F::kSubgraphs},
                                                     {F::kBuffers},
                                                     {F::kSignatureDefs}});
    head_.Point(0, model);
    head_.Point(Slot(model, 1), OperatorCodes());
    head_.Point(Slot(model, 2), Subgraphs());
    head_.Point(Slot(model, 3), Buffers());
    head_.Point(Slot(model, 4), Signatures());
    if (has_metadata) {
      head_.PointToOld(Slot(model, 5), model_.Vector(F::kMetadata, 4).position());
    }
    return head_.Finish();
  }

 private:
  size_t OperatorCodes() {
    const FlatVector old = model_.Vector(F::kOperatorCodes, 4);
    const size_t codes = Grown(head_, old, 2);
    for (uint32_t i = 0; i < 2; ++i) {
      const uint32_t code = i == 0 ? kRank : kNeg;
      head_.Point(Slot(codes, old.size() + i),
                  head_.Table({{F::kDeprecatedBuiltin, code}, {F::kBuiltin, code}}));
    }
    return codes;
  }

  // One more buffer, without bytes, for the new tensors: others need not be empty.
  size_t Buffers() {
    const FlatVector old = model_.Vector(F::kBuffers, 4);
    const size_t buffers = Grown(head_, old, 1);
    head_.Point(Slot(buffers, old.size()), head_.Table({}));
    return buffers;
  }

  size_t Subgraphs() {
    const FlatVector old = model_.Vector(F::kSubgraphs, 4);
    const size_t subgraphs = head_.References(old.size());
    for (uint32_t i = 0; i < old.size(); ++i) {
      if (std::find(served_.begin(), served_.end(), i) == served_.end()) {
        head_.PointToOld(Slot(subgraphs, i), old.Target(i));
      } else {
        head_.Point(Slot(subgraphs, i), Subgraph(old.Table(i), file_.subgraphs[i]));
      }
    }
    return subgraphs;
  }

  size_t Subgraph(const FlatTable& old, const ModelFile::Subgraph& file) {
    const size_t subgraph = head_.Table(
        {{F::kTensors}, {F::kInputs}, {F::kOutputs}, {F::kOperators}, {F::kSubgraphName}});
    head_.Point(Slot(subgraph, 1), head_.Integers(file.inputs));
    head_.Point(Slot(subgraph, 2), head_.Integers(NewOutputs(file)));
    head_.Point(Slot(subgraph, 4), head_.String("served"));

    // The ranks behind the old tensors, then what the runtime gets for outputs; nodes likewise.
    const size_t count = file.outputs.size();
    const auto first_rank = static_cast<int32_t>(file.tensors.size());
    const FlatVector old_tensors = old.Vector(F::kTensors, 4);
    const size_t tensors = Grown(head_, old_tensors, 2 * count);
    head_.Point(Slot(subgraph, 0), tensors);
    const FlatVector old_nodes = old.Vector(F::kOperators, 4);
    const size_t nodes = Grown(head_, old_nodes, 2 * count);
    head_.Point(Slot(subgraph, 3), nodes);
    const auto rank_code = static_cast<uint32_t>(file_.operator_codes.size());
    for (size_t i = 0; i < 2 * count; ++i) {
      const bool is_rank = i < count;
      const int32_t to = first_rank + static_cast<int32_t>(i);
      const int32_t from = is_rank ? file.outputs[i] : to - static_cast<int32_t>(count);
      head_.Point(Slot(tensors, old_tensors.size() + i), NumberTensor());
      head_.Point(Slot(nodes, old_nodes.size() + i),
                  Node(is_rank ? rank_code : rank_code + 1, from, to));
    }
    return subgraph;
  }

  static std::vector<int32_t> NewOutputs(const ModelFile::Subgraph& file) {
    std::vector<int32_t> outputs(file.outputs.size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      outputs[i] = static_cast<int32_t>(file.tensors.size() + outputs.size() + i);
    }
    return outputs;
  }

  size_t NumberTensor() {
    const uint32_t buffer = model_.Vector(F::kBuffers, 4).size();
    const size_t tensor =
        head_.Table({{F::kShape}, {F::kType, kInt32}, {F::kBuffer, buffer}, {F::kName}});
    head_.Point(Slot(tensor, 0), head_.Integers({}));
    head_.Point(Slot(tensor, 3), head_.String("served"));
    return tensor;
  }

  size_t Node(uint32_t code, int32_t from, int32_t to) {
    const size_t node =
        head_.Table({{F::kOpcodeIndex, code}, {F::kOperatorInputs}, {F::kOperatorOutputs}});
    head_.Point(Slot(node, 1), head_.Integers({from}));
    head_.Point(Slot(node, 2), head_.Integers({to}));
    return node;
  }

  size_t Signatures() {
    const size_t signatures = head_.References(served_.size());
    for (size_t i = 0; i < served_.size(); ++i) {
      const ModelFile::Subgraph& subgraph = file_.subgraphs[served_[i]];
      const std::vector<int32_t> outputs = NewOutputs(subgraph);
      const size_t signature = head_.Table({{F::kSignatureInputs},
                                            {F::kSignatureOutputs},
                                            {F::kSignatureKey},
                                            {F::kSubgraphIndex, served_[i]}});
      head_.Point(Slot(signatures, i), signature);
      // The runtime renames inputs to these, and Interpreter knows them by their names.
      std::vector<std::string> input_names, output_names;
      for (int32_t input : subgraph.inputs) {
        const auto& name = subgraph.tensors[static_cast<size_t>(input)].name;
        input_names.emplace_back(name.value_or(std::string_view()));
      }
      for (size_t k = 0; k < outputs.size(); ++k) {
        output_names.push_back("output_" + std::to_string(k));
      }
      head_.Point(Slot(signature, 0), NamedTensors(input_names, subgraph.inputs));
      head_.Point(Slot(signature, 1), NamedTensors(output_names, outputs));
      head_.Point(Slot(signature, 2), head_.String("signature_" + std::to_string(i)));
    }
    return signatures;
  }

  size_t NamedTensors(const std::vector<std::string>& names, const std::vector<int32_t>& tensors) {
    const size_t entries = head_.References(tensors.size());
    for (size_t i = 0; i < tensors.size(); ++i) {
      const size_t entry =
          head_.Table({{F::kTensorName}, {F::kTensorIndex, static_cast<uint32_t>(tensors[i])}});
      head_.Point(Slot(entries, i), entry);
      head_.Point(Slot(entry, 0), head_.String(names[i]));
    }
    return entries;
  }

  FlatFile old_;
  const ModelFile& file_;
  const std::vector<uint32_t>& served_;
  const FlatTable model_;
  HeadWriter head_;
};

}  // namespace

ModelBytes WithServingHead(std::string_view bytes, const ModelFile& file,
                           const std::vector<uint32_t>& served) {
  const std::vector<char> head = ServingHead(bytes, file, served).Write();
  ModelBytes model(head.size() + bytes.size());
  std::memcpy(model.data(), head.data(), head.size());
  std::memcpy(model.data() + head.size(), bytes.data(), bytes.size());
  return model;
}

std::vector<char> ModelWithOperator(const ModelFile::OperatorCode& code) {
  HeadWriter head;
  const size_t model = head.Table(
      {{F::kVersion, kSchemaVersion}, {F::kOperatorCodes}, {F::kSubgraphs}, {F::kBuffers}});
  head.Point(0, model);
  const size_t codes = head.References(1);
  head.Point(Slot(model, 1), codes);
  head.Point(
      Slot(codes, 0),
      head.Table({{F::kDeprecatedBuiltin, static_cast<uint32_t>(std::min(code.builtin, 127))},
                  {F::kOperatorVersion, static_cast<uint32_t>(code.version)},
                  {F::kBuiltin, static_cast<uint32_t>(code.builtin)}}));
  const size_t subgraphs = head.References(1);
  head.Point(Slot(model, 2), subgraphs);
  const size_t subgraph = head.Table({{F::kTensors}, {F::kInputs}, {F::kOutputs}, {F::kOperators}});
  head.Point(Slot(subgraphs, 0), subgraph);
  const size_t tensors = head.References(1);
  head.Point(Slot(subgraph, 0), tensors);
  const size_t tensor = head.Table({{F::kShape}, {F::kType, kInt32}, {F::kName}});
  head.Point(Slot(tensors, 0), tensor);
  head.Point(Slot(tensor, 0), head.Integers({1}));
  head.Point(Slot(tensor, 2), head.String("x"));
  head.Point(Slot(subgraph, 1), head.Integers({0}));
  head.Point(Slot(subgraph, 2), head.Integers({0}));
  head.Point(Slot(subgraph, 3), head.References(0));
  const size_t buffers = head.References(1);
  head.Point(Slot(model, 3), buffers);
  head.Point(Slot(buffers, 0), head.Table({}));
  return head.Finish();
}

}  // namespace baton::tflite_engine
