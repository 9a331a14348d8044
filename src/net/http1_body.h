#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "base/buffer.h"

namespace baton::net {

// Finds the end of one request's body and takes its framing off, whatever pieces it arrives in.
//
// Threads: thread-compatible. Owner: Http1Session. Errors: kBad for chunks that are not what RFC
// 9112 says to the letter: where two servers may disagree about an end, requests are smuggled.
class BodyDecoder {
 public:
  enum class State { kMore, kDone, kBad, kRefused };

  void StartLength(uint64_t bytes);
  // `max_line_bytes` bounds what chunk extensions and trailers may bring, all together.
  void StartChunked(size_t max_line_bytes);

  // Takes from the front of `bytes` what belongs to this body and gives the content to `sink`, part
  // by part. A false return of `sink` ends it: kRefused.
  State Feed(std::string_view& bytes, absl::FunctionRef<bool(std::string_view)> sink);

  // Bytes that are known to be still to come: the rest of the body, or of the chunk.
  uint64_t remaining() const { return remaining_; }

 private:
  enum class Part { kLength, kChunkLine, kChunk, kChunkEnd, kTrailers, kDone, kBad };

  Part FeedLine(std::string_view& bytes);
  Part OnChunkLine(std::string_view line);

  Part part_ = Part::kDone;
  uint64_t remaining_ = 0;
  size_t line_budget_ = 0;
  std::string line_;  // what has arrived of the present line
};

// One growing run of bytes. Grows by doubling, and never takes more than 1 MiB on a peer's mere
// announcement.
//
// Threads: thread-compatible. Owner: whoever collects. Errors: none; callers bound the size.
class BodyBuffer {
 public:
  static constexpr size_t kMaxAdvance = size_t{1} << 20;
  static constexpr uint64_t kUnknown = ~uint64_t{0};

  // `expected` is how many bytes are announced from here on, of which the first are `bytes`.
  void Append(std::string_view bytes, uint64_t expected);
  size_t size() const { return size_; }
  base::Buffer Take();

 private:
  base::Buffer buffer_;
  size_t size_ = 0;
};

}  // namespace baton::net
