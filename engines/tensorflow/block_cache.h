#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace baton::tf_engine {

// Memory for tensors of a megabyte and more, straight from the kernel. malloc would carve them out
// of its arenas, whose ends it does not give back: of a model that was unloaded, some weights would
// stay resident. Freed blocks are kept for the next run up to a limit, because faulting pages in
// costs more than most kernels, and returned with Trim().
//
// Threads: thread-safe. Owner: the process. Errors: nullptr when there is no memory.
class BlockCache {
 public:
  static constexpr size_t kSmallest = size_t{1} << 20;

  explicit BlockCache(size_t max_kept_bytes) : max_kept_bytes_(max_kept_bytes) {}
  ~BlockCache() { Trim(); }
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;

  // Page-aligned. REQUIRES: bytes >= kSmallest.
  void* Allocate(size_t bytes);
  // False when `block` is not one of this cache's, and nothing was done. Cheap for anything not
  // page-aligned.
  bool Free(void* block);
  // Returns what is kept to the kernel.
  void Trim();

  size_t kept_bytes() const;
  size_t used_bytes() const;

 private:
  const size_t max_kept_bytes_;
  mutable std::mutex mutex_;
  std::unordered_map<void*, size_t> in_use_;   // guarded by mutex_
  std::map<size_t, std::vector<void*>> kept_;  // by size; guarded by mutex_
  size_t kept_bytes_ = 0;                      // guarded by mutex_
  size_t used_bytes_ = 0;                      // guarded by mutex_
};

}  // namespace baton::tf_engine
