#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/status/status.h"
#include "codec/grpc/cold_message.h"
#include "codec/grpc/predict_codec.h"
#include "codec/grpc/utf8.h"
#include "codec/grpc/wire_reader.h"
#include "tensorflow_serving/apis/predict.pb.h"

namespace baton::codec::grpc {
namespace {

absl::Status Malformed(std::string_view what) {
  return absl::InvalidArgumentError(std::string("the request is no ") + std::string(what));
}

bool ReadString(const WireReader& reader, std::string_view* out) {
  *out = reader.bytes();
  return IsValidUtf8(*out);
}

// Adds to what *version already says, as protobuf merges a repeated submessage.
bool MergeVersion(std::string_view bytes, int depth, int64_t* version) {
  WireReader reader(bytes, depth);
  while (reader.Next()) {
    if (reader.field() == 1 && reader.is_varint()) *version = static_cast<int64_t>(reader.number());
  }
  return reader.ok();
}

bool ReadInput(std::string_view bytes, int depth, PredictRequestView::Input* input) {
  WireReader reader(bytes, depth);
  std::string merged;
  bool has_value = false;
  while (reader.Next()) {
    if (!reader.is_bytes()) continue;
    if (reader.field() == 1) {
      if (!ReadString(reader, &input->name)) return false;
    } else if (reader.field() == 2) {
      // Two messages one behind the other are their merge.
      if (has_value) {
        if (merged.empty()) merged = input->tensor;
        merged += reader.bytes();
      } else {
        input->tensor = reader.bytes();
      }
      has_value = true;
    }
  }
  if (!merged.empty()) {
    input->merged = base::Buffer::Copy(merged);
    input->tensor = input->merged.view();
  }
  return reader.ok();
}

// Collects inputs; one whose name was there before takes the other's place. A few names are
// compared one by one, many get an index.
class InputCollector {
 public:
  explicit InputCollector(std::vector<PredictRequestView::Input>* inputs) : inputs_(inputs) {}

  void Add(PredictRequestView::Input input) {
    if (PredictRequestView::Input* same = Find(input.name)) {
      *same = std::move(input);
      return;
    }
    inputs_->push_back(std::move(input));
    if (inputs_->size() > kFew) index_.emplace(inputs_->back().name, inputs_->size() - 1);
  }

 private:
  static constexpr size_t kFew = 16;

  PredictRequestView::Input* Find(std::string_view name) {
    for (size_t i = 0; i < std::min(inputs_->size(), kFew); ++i) {
      if ((*inputs_)[i].name == name) return &(*inputs_)[i];
    }
    const auto it = index_.find(name);
    return it == index_.end() ? nullptr : &(*inputs_)[it->second];
  }

  std::vector<PredictRequestView::Input>* inputs_;
  std::unordered_map<std::string_view, size_t> index_;  // from the kFew-th on
};

// Fields that nobody reads must still be what they claim, unless checking that would cost much.
template <typename Message>
bool IsColdFieldWellFormed(const WireReader& reader) {
  return reader.bytes().size() > kMaxColdBytes ||
         IsWellFormed<Message>(reader.bytes(), reader.inner_depth());
}

}  // namespace

bool MergeModelSpec(std::string_view bytes, int depth, predict::ModelSpec* spec) {
  WireReader reader(bytes, depth);
  while (reader.Next()) {
    if (!reader.is_bytes()) continue;
    switch (reader.field()) {
      case 1:
        if (!ReadString(reader, &spec->name)) return false;
        break;
      case 2: {
        spec->label.reset();  // a choice of one: the last one said counts
        int64_t version = spec->version.value_or(0);
        if (!MergeVersion(reader.bytes(), reader.inner_depth(), &version)) return false;
        spec->version = version;
        break;
      }
      case 3:
        if (!ReadString(reader, &spec->signature_name)) return false;
        break;
      case 4:
        spec->version.reset();
        if (!ReadString(reader, &spec->label.emplace())) return false;
        break;
    }
  }
  return reader.ok();
}

absl::StatusOr<PredictRequestView> ParsePredictRequest(std::string_view message) {
  PredictRequestView view;
  InputCollector inputs(&view.inputs);
  WireReader reader(message);
  bool well_formed = true;
  while (well_formed && reader.Next()) {
    if (!reader.is_bytes()) continue;
    switch (reader.field()) {
      case 1:
        if (!view.spec) view.spec.emplace();
        well_formed = MergeModelSpec(reader.bytes(), reader.inner_depth(), &*view.spec);
        break;
      case 2: {
        PredictRequestView::Input input;
        well_formed = ReadInput(reader.bytes(), reader.inner_depth(), &input);
        inputs.Add(std::move(input));
        break;
      }
      case 3:
        well_formed = ReadString(reader, &view.output_filter.emplace_back());
        break;
      case 5:
        well_formed = IsColdFieldWellFormed<tensorflow::serving::PredictStreamedOptions>(reader);
        break;
      case 7:
        well_formed =
            IsColdFieldWellFormed<tensorflow::serving::PredictRequest::RequestOptions>(reader);
        break;
    }
  }
  if (!well_formed || !reader.ok()) return Malformed("PredictRequest");
  return view;
}

absl::StatusOr<predict::ModelSpec> ParseModelSpec(std::string_view bytes) {
  predict::ModelSpec spec;
  if (!MergeModelSpec(bytes, kMaxWireDepth, &spec)) return Malformed("ModelSpec");
  return spec;
}

}  // namespace baton::codec::grpc
