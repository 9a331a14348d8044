#include "block_cache.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdint>

namespace baton::tf_engine {
namespace {

constexpr size_t kPage = 4096;

// Eight sizes per power of two: close enough for reuse, and what is rounded up is never touched.
size_t SizeClass(size_t bytes) {
  const size_t step = std::max<size_t>(std::bit_floor(bytes) / 8, 1);
  return (bytes + step - 1) / step * step;
}

}  // namespace

void* BlockCache::Allocate(size_t bytes) {
  if (bytes > SIZE_MAX / 2) return nullptr;
  const size_t size = SizeClass(bytes);
  std::lock_guard lock(mutex_);
  if (const auto kept = kept_.find(size); kept != kept_.end() && !kept->second.empty()) {
    void* block = kept->second.back();
    in_use_.emplace(block, size);
    used_bytes_ += size;
    kept->second.pop_back();
    kept_bytes_ -= size;
    return block;
  }
  void* block = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED) return nullptr;
  in_use_.emplace(block, size);
  used_bytes_ += size;
  return block;
}

bool BlockCache::Free(void* block) {
  if (reinterpret_cast<uintptr_t>(block) % kPage != 0) return false;
  std::lock_guard lock(mutex_);
  const auto used = in_use_.find(block);
  if (used == in_use_.end()) return false;
  const size_t size = used->second;
  in_use_.erase(used);
  used_bytes_ -= size;
  if (kept_bytes_ + size > max_kept_bytes_) {
    munmap(block, size);
    return true;
  }
  kept_[size].push_back(block);
  kept_bytes_ += size;
  return true;
}

void BlockCache::Trim() {
  std::lock_guard lock(mutex_);
  for (const auto& [size, blocks] : kept_) {
    for (void* block : blocks) munmap(block, size);
  }
  kept_.clear();
  kept_bytes_ = 0;
}

size_t BlockCache::kept_bytes() const {
  std::lock_guard lock(mutex_);
  return kept_bytes_;
}

size_t BlockCache::used_bytes() const {
  std::lock_guard lock(mutex_);
  return used_bytes_;
}

}  // namespace baton::tf_engine
