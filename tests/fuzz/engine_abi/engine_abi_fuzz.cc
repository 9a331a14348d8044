// Hostile plug-ins: descriptors and descriptions with every number out of the fuzzer's hand.
// Pointers are either null or point to a block of the size they claim at most; the rest is the
// host's to check.
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "baton/engine_abi.h"
#include "engine/abi_tensor.h"
#include "engine/model_description.h"
#include "engine/plugin_loader.h"

namespace {

// Takes values from the input; zeros when it is used up.
class Source {
 public:
  Source(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  template <typename T>
  T Take() {
    T value = {};
    const size_t n = size_ < sizeof(T) ? size_ : sizeof(T);
    if (n > 0) std::memcpy(&value, data_, n);
    data_ += n;
    size_ -= n;
    return value;
  }
  // Small or hostile.
  uint32_t Count(uint32_t limit) {
    const auto byte = Take<uint8_t>();
    return byte >= 250 ? Take<uint32_t>() | 0x80000000u : byte % (limit + 1);
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

constexpr size_t kBlock = 4096;
alignas(64) char block[kBlock] = {};

// Reads every element, so that the sanitizer sees a tensor that is larger than its memory.
void Read(const baton::tensor::Tensor& tensor) {
  volatile char sink = 0;
  if (tensor.dtype() == baton::tensor::DType::kString) {
    for (const auto& text : tensor.strings()) {
      if (text.size > 0) sink = sink + text.data[0] + text.data[text.size - 1];
    }
    return;
  }
  for (char byte : tensor.bytes()) sink = sink + byte;
}

void FuzzTensor(Source& source) {
  std::vector<int64_t> dims(300);
  baton_tensor t = {};
  t.struct_size = sizeof(t);
  t.dtype = source.Take<int8_t>();
  t.memory = source.Take<uint8_t>() >= 250 ? source.Take<int32_t>() : 0;
  t.rank = source.Count(6);
  for (uint32_t i = 0; i < t.rank && i < dims.size(); ++i) {
    const auto byte = source.Take<uint8_t>();
    dims[i] = byte >= 240 ? source.Take<int64_t>() : byte % 8;
  }
  t.dims = source.Take<uint8_t>() >= 250 ? nullptr : dims.data();
  std::vector<baton_str> strings(kBlock / sizeof(baton_str));
  for (int i = 0; i < 4; ++i) {
    strings[i].data = source.Take<uint8_t>() % 2 == 0 ? nullptr : block;
    strings[i].size = source.Take<uint8_t>();
  }
  const size_t offset = source.Take<uint8_t>() % 16;
  t.data = source.Take<uint8_t>() >= 250 ? nullptr : block + offset;
  if (t.dtype == 7) t.data = strings.data();
  t.bytes = source.Take<uint8_t>() >= 250 ? source.Take<uint64_t>() : source.Take<uint16_t>();
  const auto tensor = baton::engine::FromAbi(t, nullptr);
  // A claim beyond the block is not the host's to find out.
  if (tensor.ok() && offset + t.bytes <= kBlock) Read(*tensor);
}

baton_str TakeText(Source& source) {
  const auto byte = source.Take<uint8_t>();
  if (byte >= 250) return {nullptr, source.Take<size_t>()};
  if (byte >= 245) return {block, SIZE_MAX - byte};
  return {block + byte % 4, byte % 8u};
}

void FuzzDescription(Source& source) {
  const int64_t dims[300] = {-1, -5, INT64_MIN, INT64_MAX};
  std::vector<baton_port> ports(4);
  std::vector<const baton_port*> port_pointers(4);
  for (size_t i = 0; i < ports.size(); ++i) {
    ports[i] = {sizeof(baton_port) - (source.Take<uint8_t>() >= 250),
                TakeText(source),
                TakeText(source),
                source.Take<int8_t>(),
                static_cast<int32_t>(source.Count(4)),
                dims,
                1,
                0};
    if (source.Take<uint8_t>() >= 250) ports[i].dims = nullptr;
    port_pointers[i] = source.Take<uint8_t>() >= 250 ? nullptr : &ports[i];
  }
  std::vector<baton_signature> signatures(3);
  std::vector<const baton_signature*> pointers(3);
  for (size_t i = 0; i < signatures.size(); ++i) {
    signatures[i] = {sizeof(baton_signature), TakeText(source),     TakeText(source),
                     port_pointers.data(),    port_pointers.data(), source.Count(4),
                     source.Count(4)};
    pointers[i] = source.Take<uint8_t>() >= 250 ? nullptr : &signatures[i];
  }
  const baton_model_description description = {
      sizeof(description) - (source.Take<uint8_t>() >= 250),
      pointers.data(),
      source.Count(3),
      source.Take<uint32_t>(),
      source.Take<uint64_t>(),
      TakeText(source)};
  const auto read = baton::engine::ReadDescription(&description);
  if (!read.ok()) return;
  for (const auto& signature : read->signatures.all()) {
    if (read->signatures.Find(signature.name) == nullptr && !signature.name.empty())
      __builtin_trap();
  }
}

void FuzzTable(Source& source) {
  baton_engine_api api = {};
  api.struct_size = source.Take<uint8_t>() >= 128 ? sizeof(api) : source.Take<size_t>();
  api.abi_major = source.Count(2);
  api.abi_minor = source.Count(2);
  static char name[200];
  for (char& c : name) c = source.Take<char>();
  name[sizeof(name) - 1] = '\0';
  api.name = source.Take<uint8_t>() >= 200 ? nullptr : name;
  api.version = name;
  // Its functions are null: it must never be accepted.
  if (baton::engine::CheckEngineTable(&api, "fuzz").ok()) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Source source(data, size);
  switch (source.Take<uint8_t>() % 3) {
    case 0:
      FuzzTensor(source);
      break;
    case 1:
      FuzzDescription(source);
      break;
    default:
      FuzzTable(source);
  }
  return 0;
}
