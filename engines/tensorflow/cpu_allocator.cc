// The allocator of every CPU tensor in the process: large ones from a BlockCache, the rest from
// malloc. Registered when the plug-in is loaded, before TensorFlow asks for an allocator the first
// time, and above its own ones.
#include "cpu_allocator.h"

#include <algorithm>
#include <cstdlib>

#include "block_cache.h"
#include "tensorflow/core/framework/allocator.h"
#include "tensorflow/core/framework/allocator_registry.h"

namespace baton::tf_engine {
namespace {

constexpr size_t kMaxKeptBytes = size_t{256} << 20;
constexpr int kPriority = 1000;  // oneDNN's has 200

BlockCache& Blocks() {
  static BlockCache& blocks = *new BlockCache(kMaxKeptBytes);  // outlives every static tensor
  return blocks;
}

class CpuAllocator final : public tsl::Allocator {
 public:
  std::string Name() override { return "baton_cpu"; }

  void* AllocateRaw(size_t alignment, size_t bytes) override {
    if (bytes >= BlockCache::kSmallest) return Blocks().Allocate(bytes);
    void* block = nullptr;
    const size_t least = std::max<size_t>(alignment, tsl::Allocator::kAllocatorAlignment);
    return posix_memalign(&block, least, std::max<size_t>(bytes, 1)) == 0 ? block : nullptr;
  }

  void DeallocateRaw(void* block) override {
    if (!Blocks().Free(block)) std::free(block);
  }
};

class CpuAllocatorFactory final : public tsl::AllocatorFactory {
 public:
  tsl::Allocator* CreateAllocator() override { return new CpuAllocator; }
  // For pools on top of an allocator, which ours is not put under.
  tsl::SubAllocator* CreateSubAllocator(int) override { return new PlainSubAllocator; }

 private:
  class PlainSubAllocator final : public tsl::SubAllocator {
   public:
    PlainSubAllocator() : SubAllocator({}, {}) {}
    void* Alloc(size_t alignment, size_t bytes, size_t* received) override {
      *received = bytes;
      return allocator_.AllocateRaw(alignment, bytes);
    }
    void Free(void* block, size_t) override { allocator_.DeallocateRaw(block); }
    bool SupportsCoalescing() const override { return false; }

   private:
    CpuAllocator allocator_;
  };
};

const tsl::AllocatorFactoryRegistration kRegistration(__FILE__, __LINE__, "BatonCpuAllocator",
                                                      kPriority, new CpuAllocatorFactory);

}  // namespace

void ReturnFreeTensorMemory() { Blocks().Trim(); }
size_t TensorBytesInUse() { return Blocks().used_bytes(); }

}  // namespace baton::tf_engine
