#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "base/buffer.h"
#include "codec/rest/json_tape.h"

namespace baton::codec::rest {

// Reads a request body's text.
// Errors: kInvalidArgument in the words of RapidJSON, which reads the text again to find them; more
// than `max_depth` levels are refused.
absl::StatusOr<JsonTape> ReadJson(const base::Buffer& text, int max_depth);

// Writes a tape in one pass over the text, without recursion. It only says whether it took the
// text: what is wrong with a refused one is for RapidJSON to word.
//
// Threads: confined to one. Owner: ReadJson, for one call.
class JsonReader {
 public:
  enum class Outcome { kDone, kRefused, kTooDeep };

  JsonReader(const base::Buffer& text, int max_depth);

  Outcome Run();

  // Where it stopped.
  size_t offset() const { return static_cast<size_t>(p_ - begin_); }
  // What it wrote. REQUIRES: it is done.
  JsonTape tape() const { return JsonTape(text_, entries_, size()); }

 private:
  size_t size() const { return static_cast<size_t>(out_ - out_begin_); }

  // What stands at p_ now.
  enum class Next { kValue, kAfterValue, kRefused, kTooDeep };

  Next ReadValue();
  Next ReadNumbers();
  bool NextListOfNumbers();
  Next ReadWord(const char* word, size_t length, JsonKind kind);
  Next Open(bool is_object);
  Next Advance();
  void PushContainer(bool is_object, uint64_t count);
  void CountOneMore() { ++out_begin_[open_ + 1]; }
  bool in_array() const { return depth_ > 0 && !in_object_; }
  Next Close();
  bool ReadKey();
  bool ReadString();
  bool SkipEscape();

  void SkipSpace() {
    while (*p_ == ' ' || *p_ == '\n' || *p_ == '\t' || *p_ == '\r') ++p_;
  }
  static bool StartsNumber(char c) {
    return (static_cast<unsigned char>(c) - unsigned{'0'}) <= 9 || c == '-';
  }
  void Push(uint64_t entry) {
    if (out_ == out_end_) Grow();
    *out_++ = entry;
  }
  void Grow();

  base::Buffer text_;
  base::Buffer entries_;
  const char* begin_ = nullptr;
  const char* end_ = nullptr;
  const char* p_ = nullptr;
  uint64_t* out_begin_ = nullptr;
  uint64_t* out_ = nullptr;
  uint64_t* out_end_ = nullptr;
  // The innermost open container; its first entry leads to the one around it until Close. Its
  // second one counts.
  size_t open_ = 0;
  bool in_object_ = false;
  size_t depth_ = 0;  // number of open containers
  size_t max_depth_;
};

}  // namespace baton::codec::rest
