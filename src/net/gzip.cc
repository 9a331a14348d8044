#include "net/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "base/strings.h"

namespace baton::net {
namespace {

constexpr int kWindowBits = 15;
constexpr int kGzipFraming = 16;          // zlib's flag, added to the window bits
constexpr uInt kPiece = 1u << 30;         // zlib counts in 32 bits
constexpr size_t kFirstBlock = 16 << 10;  // blocks grow fourfold up to kEagerBelow, twofold above
constexpr size_t kEagerBelow = 1 << 20;

int WindowBits(Compression compression) {
  return compression == Compression::kGzip ? kWindowBits + kGzipFraming : kWindowBits;
}

// Keeps the stream's input filled from `bytes`, which may be longer than zlib can count.
void Feed(z_stream& stream, std::string_view& bytes) {
  if (stream.avail_in == 0 && !bytes.empty()) {
    const size_t piece = std::min<size_t>(bytes.size(), kPiece);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(piece);
    bytes.remove_prefix(piece);
  }
}

// Output of unknown size: one block, grown as it fills, never above `max_bytes`.
class Output {
 public:
  Output(uint64_t max_bytes, size_t expected) : max_bytes_(max_bytes) {
    Grow(std::clamp(expected, kFirstBlock, kEagerBelow));
  }

  // Makes room behind what is there. False: the limit is reached.
  bool Offer(z_stream& stream) {
    if (used_ == block_.size()) {
      if (used_ >= max_bytes_) {
        return false;
      }
      Grow(used_ < kEagerBelow ? used_ * 4 : used_ * 2);
    }
    offered_ = static_cast<uInt>(std::min<size_t>(block_.size() - used_, kPiece));
    stream.next_out = reinterpret_cast<Bytef*>(block_.mutable_data() + used_);
    stream.avail_out = offered_;
    return true;
  }
  void Taken(const z_stream& stream) { used_ += offered_ - stream.avail_out; }
  base::Buffer Result() const { return used_ == 0 ? base::Buffer() : block_.Slice(0, used_); }

 private:
  void Grow(size_t bytes) {
    base::Buffer next = base::Buffer::Allocate(std::min<uint64_t>(bytes, max_bytes_));
    if (used_ > 0) {
      std::memcpy(next.mutable_data(), block_.data(), used_);
    }
    block_ = std::move(next);
  }

  const uint64_t max_bytes_;
  base::Buffer block_;
  size_t used_ = 0;
  uInt offered_ = 0;
};

absl::Status Corrupt(Compression compression) {
  return absl::InvalidArgumentError(compression == Compression::kGzip
                                        ? "the gzip stream is corrupt or cut"
                                        : "the deflate stream is corrupt or cut");
}

absl::Status TooLarge(uint64_t max_bytes) {
  return absl::ResourceExhaustedError(
      base::StrCat("the decompressed body is larger than ", max_bytes, " bytes"));
}

absl::StatusOr<base::Buffer> Inflate(z_stream& stream, Compression compression,
                                     std::string_view bytes, uint64_t max_bytes) {
  Output output(max_bytes, bytes.size() <= kEagerBelow ? bytes.size() * 4 : kEagerBelow);
  for (;;) {
    Feed(stream, bytes);
    char beyond = 0;  // a stream that fills the limit exactly still has its end to read
    const bool has_room = output.Offer(stream);
    if (!has_room) {
      stream.next_out = reinterpret_cast<Bytef*>(&beyond);
      stream.avail_out = 1;
    }
    const int result = inflate(&stream, Z_NO_FLUSH);
    if (has_room) {
      output.Taken(stream);
    } else if (stream.avail_out == 0) {
      return TooLarge(max_bytes);
    }
    if (result == Z_STREAM_END) {
      break;
    }
    // Z_BUF_ERROR: nothing moved. With no input left, the stream is cut.
    if (result != Z_OK || (stream.avail_in == 0 && bytes.empty() && stream.avail_out != 0)) {
      return Corrupt(compression);
    }
  }
  if (stream.avail_in != 0 || !bytes.empty()) {
    return Corrupt(compression);  // a second member, or garbage
  }
  return output.Result();
}

}  // namespace

absl::StatusOr<base::Buffer> Decompress(Compression compression, std::string_view bytes,
                                        uint64_t max_bytes) {
  z_stream stream{};
  if (inflateInit2(&stream, WindowBits(compression)) != Z_OK) {
    return absl::ResourceExhaustedError("no memory to decompress a body");
  }
  absl::StatusOr<base::Buffer> result = Inflate(stream, compression, bytes, max_bytes);
  inflateEnd(&stream);
  return result;
}

absl::StatusOr<base::Buffer> Compress(Compression compression, std::string_view bytes) {
  z_stream stream{};
  constexpr int kMemoryLevel = 8;  // zlib's default
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WindowBits(compression),
                   kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK) {
    return absl::ResourceExhaustedError("no memory to compress a body");
  }
  Output output(UINT64_MAX, bytes.size() / 2);
  int result = Z_OK;
  while (result == Z_OK) {
    Feed(stream, bytes);
    output.Offer(stream);
    result = deflate(&stream, bytes.empty() ? Z_FINISH : Z_NO_FLUSH);
    output.Taken(stream);
  }
  deflateEnd(&stream);
  if (result != Z_STREAM_END) {
    return absl::InternalError("zlib cannot compress a body");
  }
  return output.Result();
}

}  // namespace baton::net
