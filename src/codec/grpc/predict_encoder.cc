#include <algorithm>
#include <utility>

#include "base/check.h"
#include "codec/grpc/model_spec_writer.h"
#include "codec/grpc/predict_codec.h"
#include "codec/grpc/tensor_encoder.h"
#include "codec/grpc/wire_writer.h"

namespace baton::codec::grpc {
namespace {

// From here on a buffer of its own costs the transport less than a copy.
constexpr size_t kSharedPayload = 16 << 10;

// One entry of the map `outputs`.
struct Entry {
  std::string_view name;
  const tensor::Tensor* tensor;
  TensorEncoder encoder;

  size_t body_bytes() const {
    return BytesFieldSize(1, name.size()) + BytesFieldSize(2, encoder.size());
  }
  bool is_shared() const {
    return encoder.payload_is_memory() && encoder.payload_bytes() >= kSharedPayload;
  }
};

// Entries are written in the order of their names, so that equal answers are equal bytes. Ports are
// sorted by name.
std::vector<Entry> MeasureEntries(const engine::Signature& signature,
                                  const std::vector<uint32_t>& output_ports,
                                  const predict::PredictResponse& response,
                                  TensorEncoding encoding) {
  std::vector<std::pair<uint32_t, size_t>> order;
  for (size_t i = 0; i < output_ports.size(); ++i) order.emplace_back(output_ports[i], i);
  std::sort(order.begin(), order.end());
  std::vector<Entry> entries;
  entries.reserve(order.size());
  for (const auto& [port, i] : order) {
    const tensor::Tensor& tensor = response.outputs[i];
    entries.push_back({signature.outputs[port].name, &tensor, TensorEncoder(tensor, encoding)});
  }
  return entries;
}

}  // namespace

std::vector<base::Buffer> EncodePredictResponse(const lifecycle::ServableId& id,
                                                const engine::Signature& signature,
                                                const std::vector<uint32_t>& output_ports,
                                                const predict::PredictResponse& response,
                                                TensorEncoding encoding, size_t prefix_bytes) {
  BATON_CHECK(response.outputs.size() == output_ports.size());
  const std::vector<Entry> entries = MeasureEntries(signature, output_ports, response, encoding);
  const size_t spec_bytes = ModelSpecSize(id, signature.name);
  size_t own_bytes = prefix_bytes + BytesFieldSize(2, spec_bytes);
  for (const Entry& entry : entries) {
    own_bytes += BytesFieldSize(1, entry.body_bytes());
    if (entry.is_shared()) own_bytes -= entry.encoder.payload_bytes();
  }

  // Everything that is not shared lies in one block; the shared payloads cut it into slices.
  base::Buffer block = base::Buffer::Allocate(own_bytes);
  char* const begin = block.mutable_data();
  char* at = begin + prefix_bytes;
  const char* slice = begin;
  std::vector<base::Buffer> pieces;
  const auto cut = [&] {
    pieces.push_back(
        block.Slice(static_cast<size_t>(slice - begin), static_cast<size_t>(at - slice)));
    slice = at;
  };
  for (const Entry& entry : entries) {
    at = WriteBytesTag(1, entry.body_bytes(), at);
    at = WriteBytesField(1, entry.name, at);
    at = WriteBytesTag(2, entry.encoder.size(), at);
    at = entry.encoder.WriteHead(at);
    if (entry.is_shared()) {
      cut();
      pieces.push_back(entry.tensor->buffer());
    } else {
      at = entry.encoder.WritePayload(at);
    }
  }
  at = WriteModelSpec(id, signature.name, WriteBytesTag(2, spec_bytes, at));
  cut();
  BATON_CHECK(at == begin + own_bytes);
  return pieces;
}

}  // namespace baton::codec::grpc
