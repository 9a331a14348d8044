#include "codec/grpc/session_codec.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "codec/grpc/model_spec_writer.h"
#include "codec/grpc/predict_codec.h"
#include "codec/grpc/utf8.h"
#include "codec/grpc/wire_reader.h"
#include "codec/grpc/wire_writer.h"

namespace baton::codec::grpc {
namespace {

// The request holds a named tensor, which holds the tensor.
constexpr int kTensorDepth = kMaxWireDepth - 2;
constexpr uint64_t kMaxAnswerBytes = uint64_t{1} << 30;

bool ReadString(const WireReader& reader, std::string_view* out) {
  *out = reader.bytes();
  return IsValidUtf8(*out);
}

// A NamedTensorProto. A second tensor would be its merge with the first, which nobody sends.
bool ReadFeed(std::string_view bytes, int depth, SessionRunView::Feed* feed) {
  WireReader reader(bytes, depth);
  bool has_tensor = false;
  while (reader.Next()) {
    if (!reader.is_bytes()) continue;
    if (reader.field() == 1) {
      if (!ReadString(reader, &feed->name)) return false;
    } else if (reader.field() == 2) {
      if (has_tensor) return false;
      has_tensor = true;
      feed->tensor = reader.bytes();
    }
  }
  return reader.ok();
}

bool ReadOptions(std::string_view bytes, int depth, SessionRunView* view) {
  WireReader reader(bytes, depth);
  while (reader.Next()) {
    if (!reader.is_varint()) continue;
    const auto number = static_cast<int64_t>(reader.number());
    if (reader.field() == 1 || reader.field() == 5) view->wants_trace |= number != 0;
    if (reader.field() == 2 && number > 0) view->timeout = absl::Milliseconds(number);
  }
  return reader.ok();
}

}  // namespace

absl::StatusOr<SessionRunView> ParseSessionRunRequest(std::string_view message) {
  SessionRunView view;
  WireReader reader(message);
  bool well_formed = true;
  while (well_formed && reader.Next()) {
    if (reader.field() == 6 && reader.is_varint()) view.names_are_aliases = reader.number() != 0;
    if (!reader.is_bytes()) continue;
    const std::string_view bytes = reader.bytes();
    switch (reader.field()) {
      case 1:
        if (!view.spec) view.spec.emplace();
        well_formed = MergeModelSpec(bytes, reader.inner_depth(), &*view.spec);
        break;
      case 2:
        well_formed = ReadFeed(bytes, reader.inner_depth(), &view.feeds.emplace_back());
        break;
      case 3:
        well_formed = ReadString(reader, &view.fetches.emplace_back());
        break;
      case 4:
        well_formed = ReadString(reader, &view.targets.emplace_back());
        break;
      case 5:
        well_formed = ReadOptions(bytes, reader.inner_depth(), &view);
        break;
    }
  }
  if (!well_formed || !reader.ok()) {
    return absl::InvalidArgumentError("the request is no SessionRunRequest");
  }
  if (std::max({view.feeds.size(), view.fetches.size(), view.targets.size()}) >
      kMaxSessionTensors) {
    return absl::ResourceExhaustedError(
        base::StrCat("more than ", kMaxSessionTensors, " feeds, fetches or targets"));
  }
  return view;
}

absl::StatusOr<std::vector<tensor::Tensor>> ReadFeeds(const SessionRunView& view,
                                                      const base::Buffer& message) {
  std::vector<tensor::Tensor> tensors;
  tensors.reserve(view.feeds.size());
  for (const SessionRunView::Feed& feed : view.feeds) {
    absl::StatusOr<tensor::Tensor> tensor = DecodeTensor(feed.tensor, message, kTensorDepth);
    if (!tensor.ok()) {
      return absl::InvalidArgumentError(base::StrCat("tensor parsing error: ", feed.name));
    }
    tensors.push_back(*std::move(tensor));
  }
  return tensors;
}

absl::StatusOr<std::string> EncodeSessionRunResponse(const lifecycle::ServableId& id,
                                                     std::string_view signature_name,
                                                     const std::vector<std::string>& fetches,
                                                     const predict::PredictResponse& response) {
  BATON_CHECK(fetches.size() == response.outputs.size());
  uint64_t bytes = 0;
  for (const tensor::Tensor& tensor : response.outputs) {
    bytes += EncodedTensorSize(tensor, TensorEncoding::kTypedField);
  }
  if (bytes > kMaxAnswerBytes) {
    return absl::ResourceExhaustedError(base::StrCat(
        "the fetched tensors take ", bytes, " bytes, a message at most ", kMaxAnswerBytes));
  }
  std::string out;
  std::string named;
  for (size_t i = 0; i < fetches.size(); ++i) {
    const size_t tensor_bytes = EncodedTensorSize(response.outputs[i], TensorEncoding::kTypedField);
    named.assign(
        BytesFieldSize(1, fetches[i].size()) + BytesFieldSize(2, tensor_bytes) - tensor_bytes,
        '\0');
    WriteBytesTag(2, tensor_bytes, WriteBytesField(1, fetches[i], named.data()));
    AppendTensor(response.outputs[i], TensorEncoding::kTypedField, &named);
    const size_t at = out.size();
    out.resize(at + BytesFieldSize(1, named.size()) - named.size());
    WriteBytesTag(1, named.size(), out.data() + at);
    out += named;
  }
  const size_t spec_bytes = ModelSpecSize(id, signature_name);
  const size_t at = out.size();
  out.resize(at + BytesFieldSize(3, spec_bytes));
  WriteModelSpec(id, signature_name, WriteBytesTag(3, spec_bytes, out.data() + at));
  return out;
}

}  // namespace baton::codec::grpc
