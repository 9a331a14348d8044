#include "engine/model_description.h"

#include <algorithm>
#include <numeric>
#include <string_view>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"

namespace baton::engine {
namespace {

// Far beyond any model; above it a count is garbage and its array is not looked at.
constexpr uint32_t kMaxEntries = 1u << 16;
constexpr size_t kMaxNameBytes = 1u << 20;
constexpr size_t kMaxMapBytes = size_t{1} << 31;

absl::Status Bad(std::string_view what) {
  return absl::InternalError(base::StrCat("its model description is broken: ", what));
}

absl::Status ReadText(const baton_str& from, size_t limit, std::string* to) {
  if (from.size > limit || (from.data == nullptr && from.size != 0)) return Bad("a text");
  to->assign(from.data == nullptr ? "" : from.data, from.size);
  return absl::OkStatus();
}

absl::Status ReadPort(const baton_port* from, Port* to) {
  if (from == nullptr || from->struct_size < sizeof(baton_port)) return Bad("a port");
  BATON_RETURN_IF_ERROR(ReadText(from->name, kMaxNameBytes, &to->name));
  BATON_RETURN_IF_ERROR(ReadText(from->tensor_name, kMaxNameBytes, &to->tensor_name));
  to->dtype = static_cast<tensor::DType>(from->dtype);
  to->has_default = from->has_default != 0;
  if (from->rank < 0) {
    to->shape.unknown_rank = true;
    return absl::OkStatus();
  }
  const auto rank = static_cast<size_t>(from->rank);
  if (rank > tensor::Shape::kMaxRank || (rank > 0 && from->dims == nullptr)) {
    return Bad(base::StrCat("the rank of port ", to->name));
  }
  for (size_t i = 0; i < rank; ++i) to->shape.dims.push_back(std::max<int64_t>(from->dims[i], -1));
  return absl::OkStatus();
}

// Sorts `items` by name; order[i] is where item i stood before.
template <typename T>
absl::Status SortByName(std::vector<T>* items, std::vector<uint32_t>* order) {
  order->resize(items->size());
  std::iota(order->begin(), order->end(), 0u);
  std::sort(order->begin(), order->end(),
            [&](uint32_t a, uint32_t b) { return (*items)[a].name < (*items)[b].name; });
  std::vector<T> sorted;
  sorted.reserve(items->size());
  for (uint32_t index : *order) {
    if (!sorted.empty() && sorted.back().name == (*items)[index].name) {
      return Bad(base::StrCat("the name ", sorted.back().name, " stands there twice"));
    }
    sorted.push_back(std::move((*items)[index]));
  }
  *items = std::move(sorted);
  return absl::OkStatus();
}

absl::Status ReadPorts(const baton_port* const* from, uint32_t count, std::vector<Port>* to,
                       std::vector<uint32_t>* order) {
  if (count > kMaxEntries || (count > 0 && from == nullptr)) return Bad("the number of ports");
  to->resize(count);
  for (uint32_t i = 0; i < count; ++i) BATON_RETURN_IF_ERROR(ReadPort(from[i], &(*to)[i]));
  return SortByName(to, order);
}

}  // namespace

absl::StatusOr<ModelDescription> ReadDescription(const baton_model_description* description) {
  if (description == nullptr || description->struct_size < sizeof(*description)) {
    return Bad("it is missing or too short");
  }
  const uint32_t count = description->num_signatures;
  if (count > kMaxEntries || (count > 0 && description->signatures == nullptr)) {
    return Bad("the number of signatures");
  }
  std::vector<Signature> signatures(count);
  std::vector<EnginePorts> ports(count);
  for (uint32_t i = 0; i < count; ++i) {
    const baton_signature* from = description->signatures[i];
    if (from == nullptr || from->struct_size < sizeof(*from)) return Bad("a signature");
    BATON_RETURN_IF_ERROR(ReadText(from->name, kMaxNameBytes, &signatures[i].name));
    BATON_RETURN_IF_ERROR(ReadText(from->method_name, kMaxNameBytes, &signatures[i].method_name));
    BATON_RETURN_IF_ERROR(
        ReadPorts(from->inputs, from->num_inputs, &signatures[i].inputs, &ports[i].inputs));
    BATON_RETURN_IF_ERROR(
        ReadPorts(from->outputs, from->num_outputs, &signatures[i].outputs, &ports[i].outputs));
  }
  std::vector<uint32_t> order;
  BATON_RETURN_IF_ERROR(SortByName(&signatures, &order));
  ModelDescription out;
  for (uint32_t index : order) {
    out.engine_ports.push_back(std::move(ports[index]));
    out.engine_ports.back().signature = index;
  }
  out.signatures = SignatureTable(std::move(signatures));
  out.memory_bytes = description->memory_bytes;
  out.max_instances = description->max_instances;
  BATON_RETURN_IF_ERROR(
      ReadText(description->signature_def_map, kMaxMapBytes, &out.signature_def_map));
  return out;
}

}  // namespace baton::engine
