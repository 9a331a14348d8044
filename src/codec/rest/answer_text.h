#pragma once

#include <cstddef>
#include <string_view>

#include "base/buffer.h"

namespace baton::codec::rest {

// The text of an answer while it grows: one block of pooled memory, doubled when it is full.
//
// Threads: confined to one. Owner: the encoder, until Finish.
class AnswerText {
 public:
  explicit AnswerText(size_t guess) : buffer_(base::Buffer::Allocate(guess + kSlack)) {
    at_ = buffer_.mutable_data();
    end_ = at_ + buffer_.size();
  }

  // Room for `bytes` at the returned address; Commit says up to where it was used.
  char* Room(size_t bytes) {
    if (static_cast<size_t>(end_ - at_) < bytes) Grow(bytes);
    return at_;
  }
  void Commit(char* end) { at_ = end; }

  void Put(char c) { Commit((*Room(1) = c, at_ + 1)); }
  void Put(std::string_view text);
  // A JSON string with its quotes, escaped as RapidJSON does.
  void PutString(std::string_view text);
  void PutBase64(std::string_view bytes);  // with quotes
  // '\n' and four spaces per level.
  void PutLine(size_t level);

  base::Buffer Finish() && { return buffer_.Slice(0, static_cast<size_t>(at_ - buffer_.data())); }

 private:
  static constexpr size_t kSlack = 64;
  void Grow(size_t bytes);
  void PutEscaped(std::string_view text);

  base::Buffer buffer_;
  char* at_;
  char* end_;
};

}  // namespace baton::codec::rest
