// A model.tflite of unknown origin, up to where the runtime takes over; its bytes also serve as
// signature metadata and as a string tensor.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "graph_head.h"
#include "model_file.h"
#include "packed_strings.h"
#include "served_signature.h"
#include "signature_metadata.h"

namespace {

using namespace baton;
using namespace baton::tflite_engine;

void Check(bool holds) {
  if (!holds) std::abort();
}

void ReadModel(std::string_view bytes) {
  auto file = ReadModelFile(bytes);
  if (!file.ok()) return;
  auto serving = MakeServing(*file);
  if (!serving.ok()) return;
  const ModelBytes served = WithServingHead(bytes, *file, serving->subgraphs);
  auto again = ReadModelFile({served.data(), served.size()});
  Check(again.ok());
  Check(again->subgraphs.size() == file->subgraphs.size());
  Check(again->signatures.size() == serving->graphs.size());
  for (uint32_t i : serving->subgraphs) {
    Check(again->subgraphs[i].outputs.size() == file->subgraphs[i].outputs.size());
  }
}

void ReadStrings(std::string_view bytes) {
  uint64_t total = 0, seen = 0;
  const int64_t count = CountStrings(bytes, &total);
  std::vector<baton_str> strings;
  for (int64_t i = 0; i < count; ++i) {
    const std::string_view text = StringAt(bytes, i);
    seen += text.size();
    strings.push_back({text.data(), text.size()});
  }
  Check(seen == total);
  std::vector<char> packed;
  Check(PackStrings(strings.data(), strings.size(), &packed));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const baton_host_api host = {sizeof(host),
                                      BATON_ENGINE_ABI_MAJOR,
                                      BATON_ENGINE_ABI_MINOR,
                                      nullptr,
                                      nullptr,
                                      nullptr,
                                      [](int32_t, const char*, size_t) {}};
  sdk::host = &host;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ReadModel(bytes);
  ReadStrings(bytes);
  (void)ReadSignatureMetadata(bytes).ok();
  return 0;
}
