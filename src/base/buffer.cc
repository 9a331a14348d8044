#include "base/buffer.h"

#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "base/mutex.h"

namespace baton::base {
namespace {

constexpr size_t kSmallest = 4096;            // smaller blocks are left to malloc
constexpr size_t kLargest = size_t{1} << 24;  // larger ones are rare and returned at once
constexpr size_t kKeep = size_t{64} << 20;    // the pool never holds more free memory than this
constexpr int kClasses = 13;                  // 4 KiB .. 16 MiB

char* AlignedNew(size_t bytes) {
  return static_cast<char*>(::operator new (bytes, std::align_val_t{Buffer::kAlignment}));
}
void AlignedDelete(char* block) { ::operator delete (block, std::align_val_t{Buffer::kAlignment}); }

class Pool {
 public:
  static Pool& Get() {
    static Pool& pool = *new Pool;  // outlives every static Buffer
    return pool;
  }

  char* Take(int size_class) {
    {
      MutexLock lock(mutex_);
      auto& free = free_[size_class];
      if (!free.empty()) {
        char* block = free.back();
        free.pop_back();
        kept_ -= kSmallest << size_class;
        return block;
      }
    }
    return AlignedNew(kSmallest << size_class);
  }

  void Give(char* block, int size_class) {
    {
      MutexLock lock(mutex_);
      if (kept_ + (kSmallest << size_class) <= kKeep) {
        free_[size_class].push_back(block);
        kept_ += kSmallest << size_class;
        return;
      }
    }
    AlignedDelete(block);
  }

  size_t kept() {
    MutexLock lock(mutex_);
    return kept_;
  }

  void Trim() {
    std::array<std::vector<char*>, kClasses> taken;
    {
      MutexLock lock(mutex_);
      taken.swap(free_);
      kept_ = 0;
    }
    for (auto& blocks : taken) {
      for (char* block : blocks) AlignedDelete(block);
    }
  }

 private:
  Mutex mutex_;
  std::array<std::vector<char*>, kClasses> free_ ABSL_GUARDED_BY(mutex_);
  size_t kept_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace

Buffer Buffer::Allocate(size_t bytes) {
  if (bytes == 0) return Buffer();
  if (bytes < kSmallest || bytes > kLargest) {
    char* block = AlignedNew(bytes);
    return Buffer(block, bytes, std::shared_ptr<const void>(block, [](const void* p) {
                    AlignedDelete(static_cast<char*>(const_cast<void*>(p)));
                  }));
  }
  const int size_class = std::bit_width((bytes - 1) / kSmallest);
  char* block = Pool::Get().Take(size_class);
  return Buffer(block, bytes, std::shared_ptr<const void>(block, [size_class](const void* p) {
                  Pool::Get().Give(static_cast<char*>(const_cast<void*>(p)), size_class);
                }));
}

Buffer Buffer::FromString(std::string text) {
  auto owner = std::make_shared<std::string>(std::move(text));
  const char* data = owner->data();
  const size_t size = owner->size();
  return Buffer(data, size, std::move(owner));
}

Buffer Buffer::Copy(std::string_view bytes) {
  Buffer buffer = Allocate(bytes.size());
  if (!bytes.empty()) std::memcpy(buffer.mutable_data(), bytes.data(), bytes.size());
  return buffer;
}

size_t Buffer::PooledBytes() { return Pool::Get().kept(); }
void Buffer::TrimPool() { Pool::Get().Trim(); }

}  // namespace baton::base
