#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace baton::base {

// A shared run of bytes: an owner kept alive and a window into its memory. Copying copies a
// reference, never bytes. Request bodies, tensor contents and encoded answers are Buffers, so that
// one can become part of another without a copy.
//
// Allocate() hands out 64-byte-aligned memory from a process-wide pool of power-of-two blocks:
// blocks above 4 KiB go back to the pool, not to the kernel, because a page fault per 4 KiB costs
// more than decoding the bytes.
//
// Threads: thread-compatible like shared_ptr; the pool is thread-safe. The bytes are written by
// whoever allocated them before the Buffer is shared. Errors: allocation of more memory than exists
// throws std::bad_alloc; callers bound sizes.
class Buffer {
 public:
  static constexpr size_t kAlignment = 64;

  Buffer() = default;

  static Buffer Allocate(size_t bytes);
  static Buffer FromString(std::string text);
  static Buffer Copy(std::string_view bytes);
  // `owner` keeps [data, data + bytes) alive.
  static Buffer Wrap(const void* data, size_t bytes, std::shared_ptr<const void> owner) {
    return Buffer(static_cast<const char*>(data), bytes, std::move(owner));
  }

  const char* data() const { return data_; }
  char* mutable_data() { return const_cast<char*>(data_); }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::string_view view() const { return {data_, size_}; }
  const std::shared_ptr<const void>& owner() const { return owner_; }

  // A window into the same memory. REQUIRES: offset + bytes <= size().
  Buffer Slice(size_t offset, size_t bytes) const { return Buffer(data_ + offset, bytes, owner_); }

  // Bytes the pool keeps for reuse, over all sizes; for metrics and tests.
  static size_t PooledBytes();
  // Gives the pool's free blocks back to the allocator (after an unload, on memory pressure).
  static void TrimPool();

 private:
  Buffer(const char* data, size_t size, std::shared_ptr<const void> owner)
      : data_(data), size_(size), owner_(std::move(owner)) {}

  const char* data_ = nullptr;
  size_t size_ = 0;
  std::shared_ptr<const void> owner_;
};

}  // namespace baton::base
