#include "codec/grpc/predict_codec.h"
#include "codec/grpc/wire_reader.h"

namespace baton::codec::grpc {
namespace {

// Shorter runs are copied: having them aligned gains nothing.
constexpr uint32_t kLargeContent = 1024;

// Walks headers only, as the values may not be there yet. Positions are into the whole message.
class HeaderWalk {
 public:
  explicit HeaderWalk(std::string_view bytes) : begin_(bytes.data()), end_(begin_ + bytes.size()) {}

  size_t Find() {
    const char* at = begin_;
    uint32_t field = 0;
    uint32_t length = 0;
    while (NextBytes(&at, end_, &field, &length)) {
      if (field == 2) {
        if (const size_t found = FindInEntry(at, Limit(at, length))) return found;
      }
      if (!Skip(&at, length)) return 0;
    }
    return 0;
  }

 private:
  size_t FindInEntry(const char* at, const char* limit) {
    uint32_t field = 0;
    uint32_t length = 0;
    while (NextBytes(&at, limit, &field, &length)) {
      if (field == 2) {
        if (const size_t found = FindInTensor(at, Limit(at, length))) return found;
      }
      if (!Skip(&at, length)) return 0;
    }
    return 0;
  }

  size_t FindInTensor(const char* at, const char* limit) {
    uint32_t field = 0;
    uint32_t length = 0;
    while (NextBytes(&at, limit, &field, &length)) {
      const bool is_run = field == 4 || field == 5 || field == 6 || field == 9 || field == 12;
      if (is_run && length >= kLargeContent) return static_cast<size_t>(at - begin_);
      if (!Skip(&at, length)) return 0;
    }
    return 0;
  }

  // Moves *at behind the header of the next run of bytes, over numbers in between.
  static bool NextBytes(const char** at, const char* limit, uint32_t* field, uint32_t* length) {
    uint64_t value = 0;
    while (*at < limit && ReadVarint(at, limit, &value)) {
      *field = static_cast<uint32_t>(value >> 3);
      switch (static_cast<WireReader::WireType>(value & 7)) {
        case WireReader::WireType::kBytes:
          return ReadLength(at, limit, length);
        case WireReader::WireType::kVarint:
          if (!ReadVarint(at, limit, &value)) return false;
          break;
        case WireReader::WireType::kFixed32:
        case WireReader::WireType::kFixed64: {
          const ptrdiff_t width = (value & 7) == 5 ? 4 : 8;
          if (limit - *at < width) return false;
          *at += width;
          break;
        }
        default:
          return false;
      }
    }
    return false;
  }

  const char* Limit(const char* at, uint32_t length) const {
    return end_ - at < static_cast<ptrdiff_t>(length) ? end_ : at + length;
  }
  bool Skip(const char** at, uint32_t length) const {
    if (end_ - *at < static_cast<ptrdiff_t>(length)) return false;
    *at += length;
    return true;
  }

  const char* begin_;
  const char* end_;
};

}  // namespace

size_t FindTensorContent(std::string_view first_bytes) { return HeaderWalk(first_bytes).Find(); }

}  // namespace baton::codec::grpc
