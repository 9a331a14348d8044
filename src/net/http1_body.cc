#include "net/http1_body.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

namespace baton::net {
namespace {

bool HasControlBytes(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  });
}

}  // namespace

void BodyDecoder::StartLength(uint64_t bytes) {
  part_ = bytes == 0 ? Part::kDone : Part::kLength;
  remaining_ = bytes;
}

void BodyDecoder::StartChunked(size_t max_line_bytes) {
  part_ = Part::kChunkLine;
  remaining_ = 0;
  line_budget_ = max_line_bytes;
  line_.clear();
}

BodyDecoder::State BodyDecoder::Feed(std::string_view& bytes,
                                     absl::FunctionRef<bool(std::string_view)> sink) {
  while (!bytes.empty() && part_ != Part::kDone && part_ != Part::kBad) {
    if (part_ != Part::kLength && part_ != Part::kChunk) {
      part_ = FeedLine(bytes);
      continue;
    }
    const std::string_view piece = bytes.substr(0, std::min<uint64_t>(bytes.size(), remaining_));
    bytes.remove_prefix(piece.size());
    if (!sink(piece)) {
      return State::kRefused;
    }
    remaining_ -= piece.size();
    if (remaining_ == 0) {
      part_ = part_ == Part::kLength ? Part::kDone : Part::kChunkEnd;
    }
  }
  if (part_ == Part::kBad) {
    return State::kBad;
  }
  return part_ == Part::kDone ? State::kDone : State::kMore;
}

// Everything between the chunks comes in lines, which end in CRLF and nothing else.
BodyDecoder::Part BodyDecoder::FeedLine(std::string_view& bytes) {
  const size_t newline = bytes.find('\n');
  const std::string_view piece = bytes.substr(0, newline);
  // "\r\n" after a chunk and the size itself are free; they are paid for by the bytes of the chunk.
  constexpr size_t kFree = 18;
  if (line_.size() + piece.size() > line_budget_ + kFree) {
    return Part::kBad;
  }
  line_.append(piece);
  if (newline == std::string_view::npos) {
    bytes = {};
    return part_;
  }
  bytes.remove_prefix(newline + 1);
  if (!line_.ends_with('\r')) {
    return Part::kBad;
  }
  line_.pop_back();
  const std::string line = std::exchange(line_, {});
  line_budget_ -= std::min(line_budget_, line.size() > kFree ? line.size() - kFree : 0);
  if (part_ == Part::kChunkEnd) {
    return line.empty() ? Part::kChunkLine : Part::kBad;
  }
  if (HasControlBytes(line)) {
    return Part::kBad;
  }
  if (part_ == Part::kTrailers) {
    line_budget_ -= std::min(line_budget_, kFree);  // even short ones end
    return line.empty() ? Part::kDone : line_budget_ == 0 ? Part::kBad : Part::kTrailers;
  }
  return OnChunkLine(line);
}

// size [blanks] [";" extensions]
BodyDecoder::Part BodyDecoder::OnChunkLine(std::string_view line) {
  uint64_t size = 0;
  const char* const line_end = line.data() + line.size();
  const auto [end, error] = std::from_chars(line.data(), line_end, size, 16);
  if (error != std::errc() || size > uint64_t{1} << 62) {
    return Part::kBad;
  }
  std::string_view rest(end, static_cast<size_t>(line_end - end));
  const size_t after_blanks = rest.find_first_not_of(" \t");
  if (after_blanks != std::string_view::npos && rest[after_blanks] != ';') {
    return Part::kBad;
  }
  remaining_ = size;
  return size == 0 ? Part::kTrailers : Part::kChunk;
}

void BodyBuffer::Append(std::string_view bytes, uint64_t expected) {
  if (bytes.empty()) {
    return;
  }
  if (buffer_.size() - size_ < bytes.size()) {
    size_t wanted = size_ + bytes.size();
    if (size_ > 0) {
      // What has arrived earns as much again, but not more than is announced.
      wanted = std::max<size_t>(wanted, size_ + std::min<uint64_t>(size_, expected));
    } else if (expected != kUnknown) {
      wanted = std::max<size_t>(wanted, std::min<uint64_t>(expected, kMaxAdvance));
    }
    base::Buffer larger = base::Buffer::Allocate(wanted);
    if (size_ > 0) {
      std::memcpy(larger.mutable_data(), buffer_.data(), size_);
    }
    buffer_ = std::move(larger);
  }
  std::memcpy(buffer_.mutable_data() + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
}

base::Buffer BodyBuffer::Take() {
  base::Buffer whole = buffer_.Slice(0, size_);
  buffer_ = base::Buffer();
  size_ = 0;
  return whole;
}

}  // namespace baton::net
