#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/check.h"
#include "storage/version_dir.h"

// The only bytes of a version directory that storage/ reads itself: names, and the fields of
// saved_model.pb.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace baton::storage;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ParseVersionName(bytes);
  const auto read = [&](uint64_t offset, char* out, size_t count) -> size_t {
    BATON_CHECK(offset + count <= size);
    std::memcpy(out, bytes.data() + offset, count);
    return count;
  };
  IsWholeProtobuf(size, read);
  return 0;
}
