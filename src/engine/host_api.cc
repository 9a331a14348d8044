#include "engine/host_api.h"

#include <new>
#include <string>
#include <utility>

#include "base/buffer.h"
#include "base/log.h"

struct baton_status {
  absl::Status status;
};

namespace baton::engine {
namespace {

// Stands before the memory a plug-in gets and keeps it alive.
constexpr size_t kBlockHeader = base::Buffer::kAlignment;
static_assert(sizeof(base::Buffer) <= kBlockHeader);

std::string_view Text(const char* text, size_t size) {
  return text == nullptr ? std::string_view() : std::string_view(text, size);
}

baton_status* StatusNew(int32_t code, const char* message, size_t size) {
  if (code < static_cast<int32_t>(absl::StatusCode::kCancelled) ||
      code > static_cast<int32_t>(absl::StatusCode::kUnauthenticated)) {
    code = static_cast<int32_t>(absl::StatusCode::kUnknown);
  }
  const std::string_view text = Text(message, size);
  return new baton_status{
      absl::Status(static_cast<absl::StatusCode>(code), {text.data(), text.size()})};
}

void* BufferAlloc(size_t bytes) {
  size_t total = 0;
  if (__builtin_add_overflow(bytes, kBlockHeader, &total)) return nullptr;
  try {
    base::Buffer buffer = base::Buffer::Allocate(total);
    char* block = buffer.mutable_data();
    new (block) base::Buffer(std::move(buffer));
    return block + kBlockHeader;
  } catch (const std::bad_alloc&) {
    return nullptr;  // a C caller cannot catch it
  }
}

void BufferFree(void* data) {
  if (data == nullptr) return;
  auto* header = reinterpret_cast<base::Buffer*>(static_cast<char*>(data) - kBlockHeader);
  // Moved out first: the block must not hold the reference that frees it.
  const base::Buffer last = std::move(*header);
  header->~Buffer();
}

void Log(int32_t severity, const char* message, size_t size) {
  switch (severity) {
    case BATON_LOG_INFO:
      base::LogInfo(Text(message, size));
      break;
    case BATON_LOG_WARNING:
      base::LogWarning(Text(message, size));
      break;
    default:
      base::LogError(Text(message, size));
  }
}

constexpr baton_host_api kHostApi = {
    .struct_size = sizeof(baton_host_api),
    .abi_major = BATON_ENGINE_ABI_MAJOR,
    .abi_minor = BATON_ENGINE_ABI_MINOR,
    .status_new = StatusNew,
    .buffer_alloc = BufferAlloc,
    .buffer_free = BufferFree,
    .log = Log,
};

}  // namespace

const baton_host_api* HostApi() { return &kHostApi; }

absl::Status TakeStatus(baton_status* status) {
  if (status == nullptr) return absl::OkStatus();
  absl::Status taken = std::move(status->status);
  delete status;
  return taken;
}

}  // namespace baton::engine
