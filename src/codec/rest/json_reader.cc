#include "codec/rest/json_reader.h"

#include <bit>
#include <cstring>
#include <string_view>

#include "base/strings.h"
#include "codec/rest/json_number.h"
#include "codec/rest/rapidjson_text.h"

namespace baton::codec::rest {
namespace {

// True when no loop of the reader runs over a last byte like this: it ends numbers, words and white
// space, and whoever consumes it looks for the end.
bool IsStop(char c) { return c == '}' || c == ']' || c == '"'; }

// Bytes of the word at `p` that are a quote, a backslash or a control character: the lowest marked
// one is exact.
uint64_t MarkSpecial(const char* p) {
  constexpr uint64_t kOnes = 0x0101010101010101, kHigh = 0x8080808080808080;
  uint64_t word;
  std::memcpy(&word, p, sizeof(word));
  const uint64_t quote = word ^ (kOnes * '"');
  const uint64_t backslash = word ^ (kOnes * '\\');
  return (((quote - kOnes) & ~quote) | ((backslash - kOnes) & ~backslash) |
          ((word - kOnes * 0x20) & ~word)) &
         kHigh;
}

}  // namespace

absl::StatusOr<JsonTape> ReadJson(const base::Buffer& text, int max_depth) {
  if (text.empty()) return absl::InvalidArgumentError("JSON Parse error: The document is empty");
  JsonReader reader(text, max_depth);
  switch (reader.Run()) {
    case JsonReader::Outcome::kDone:
      break;
    case JsonReader::Outcome::kTooDeep:
      return absl::InvalidArgumentError(
          base::StrCat("JSON Parse error: More than ", max_depth,
                       " levels of nesting. at offset: ", reader.offset()));
    case JsonReader::Outcome::kRefused:
      return ParseError(text.view(), reader.offset());
  }
  return reader.tape();
}

JsonReader::JsonReader(const base::Buffer& text, int max_depth)
    : text_(text), max_depth_(static_cast<size_t>(max_depth)) {
  size_t size = text.size();
  while (size > 0 && std::memchr(" \n\t\r", text.data()[size - 1], 4) != nullptr) --size;
  if (size == 0 || !IsStop(text.data()[size - 1])) {
    // Cut short, or something behind the value: put the stop there.
    text_ = base::Buffer::Allocate(size + 1);
    if (size > 0) std::memcpy(text_.mutable_data(), text.data(), size);
    text_.mutable_data()[size++] = '\0';
  }
  begin_ = p_ = text_.data();
  end_ = begin_ + size;
  const size_t guess = size / 4 + 64;
  entries_ = base::Buffer::Allocate(guess * sizeof(uint64_t));
  out_begin_ = out_ = reinterpret_cast<uint64_t*>(entries_.mutable_data());
  out_end_ = out_begin_ + guess;
}

void JsonReader::Grow() {
  const size_t used = size();
  base::Buffer larger = base::Buffer::Allocate(used * 2 * sizeof(uint64_t));
  std::memcpy(larger.mutable_data(), out_begin_, used * sizeof(uint64_t));
  entries_ = std::move(larger);
  out_begin_ = reinterpret_cast<uint64_t*>(entries_.mutable_data());
  out_ = out_begin_ + used;
  out_end_ = out_begin_ + used * 2;
}

JsonReader::Outcome JsonReader::Run() {
  // RapidJSON skips each byte of a byte-order mark by itself.
  for (unsigned char mark : {0xEF, 0xBB, 0xBF}) {
    if (static_cast<unsigned char>(*p_) == mark && p_ + 1 < end_) ++p_;
  }
  SkipSpace();
  Next next = Next::kValue;
  while (true) {
    switch (next) {
      case Next::kValue:
        next = ReadValue();
        break;
      case Next::kAfterValue:
        if (depth_ == 0) return Outcome::kDone;
        next = Advance();
        break;
      case Next::kRefused:
        return Outcome::kRefused;
      case Next::kTooDeep:
        return Outcome::kTooDeep;
    }
  }
}

JsonReader::Next JsonReader::ReadValue() {
  switch (*p_) {
    case '[':
      return Open(false);
    case '{':
      return Open(true);
    case '"':
      return ReadString() ? Next::kAfterValue : Next::kRefused;
    case 't':
      return ReadWord("true", 4, JsonKind::kTrue);
    case 'f':
      return ReadWord("false", 5, JsonKind::kFalse);
    case 'n':
      return ReadWord("null", 4, JsonKind::kNull);
    default:
      return ReadNumbers();
  }
}

// Reads a number and, inside an array, all that follow it, and the lists of numbers that follow
// that one: the loop where large bodies spend their time.
JsonReader::Next JsonReader::ReadNumbers() {
  const bool is_element = in_array();
  while (true) {
    uint64_t entry = 0;
    const char* const stop = ScanNumber(p_, begin_, end_, &entry);
    if (stop == nullptr) return Next::kRefused;
    p_ = stop;
    Push(entry);
    if (!is_element) return Next::kAfterValue;
    if (*p_ == ',') {
      CountOneMore();
      ++p_;
      SkipSpace();
      if (!StartsNumber(*p_)) return Next::kValue;
    } else if (*p_ == ']') {
      Close();
      if (!NextListOfNumbers()) return Next::kAfterValue;
    } else {
      return Next::kAfterValue;
    }
  }
}

// Steps from behind a list over ", [" to the first number of the next list, if that is what stands
// there.
bool JsonReader::NextListOfNumbers() {
  if (p_ == end_ || *p_ != ',' || !in_array()) return false;
  const char* p = p_ + 1;
  while (*p == ' ' || *p == '\n') ++p;
  if (*p != '[' || !StartsNumber(p[1])) return false;
  p_ = p + 1;
  CountOneMore();
  PushContainer(false, 1);
  return true;
}

JsonReader::Next JsonReader::ReadWord(const char* word, size_t length, JsonKind kind) {
  if (static_cast<size_t>(end_ - p_) < length || std::memcmp(p_, word, length) != 0) {
    return Next::kRefused;
  }
  p_ += length;
  Push(JsonTape::Entry(kind, 0));
  return Next::kAfterValue;
}

void JsonReader::PushContainer(bool is_object, uint64_t count) {
  const size_t at = size();
  Push(JsonTape::Entry(in_object_ ? JsonKind::kObject : JsonKind::kArray, open_));
  Push(count);
  open_ = at;
  in_object_ = is_object;
  ++depth_;
}

JsonReader::Next JsonReader::Open(bool is_object) {
  if (depth_ == max_depth_) return Next::kTooDeep;
  ++p_;
  SkipSpace();
  const bool is_empty = *p_ == (is_object ? '}' : ']');
  PushContainer(is_object, is_empty ? 0 : 1);
  if (is_empty) return Close();
  if (is_object && !ReadKey()) return Next::kRefused;
  return Next::kValue;
}

JsonReader::Next JsonReader::Advance() {
  if (p_ == end_) return Next::kRefused;
  SkipSpace();
  if (*p_ == ',') {
    CountOneMore();
    ++p_;
    SkipSpace();
    if (in_object_ && !ReadKey()) return Next::kRefused;
    return Next::kValue;
  }
  return *p_ == (in_object_ ? '}' : ']') ? Close() : Next::kRefused;
}

JsonReader::Next JsonReader::Close() {
  ++p_;
  const uint64_t around = out_begin_[open_];
  out_begin_[open_] = JsonTape::Entry(in_object_ ? JsonKind::kObject : JsonKind::kArray, size());
  open_ = JsonTape::Payload(around);
  in_object_ = JsonTape::KindOf(around) == JsonKind::kObject;
  --depth_;
  return Next::kAfterValue;
}

bool JsonReader::ReadKey() {
  if (*p_ != '"' || !ReadString() || p_ == end_) return false;
  SkipSpace();
  if (*p_ != ':') return false;
  ++p_;
  SkipSpace();
  return true;
}

bool JsonReader::ReadString() {
  const char* const first = ++p_;
  uint64_t escaped = 0;
  while (p_ < end_) {
    if (end_ - p_ >= 8) {
      const uint64_t marks = MarkSpecial(p_);
      p_ += marks == 0 ? 8 : std::countr_zero(marks) / 8;
      if (marks == 0) continue;
    }
    const char c = *p_;
    if (c == '"') {
      Push(JsonTape::Entry(JsonKind::kString, static_cast<uint64_t>(first - begin_)));
      Push(static_cast<uint64_t>(p_ - first) | escaped);
      ++p_;
      return true;
    }
    if (static_cast<unsigned char>(c) < 0x20) return false;
    if (c == '\\') {
      escaped = JsonTape::kEscapedFlag;
      if (!SkipEscape()) return false;
    } else {
      ++p_;
    }
  }
  return false;
}

// Steps over one escape sequence; a high surrogate must be followed by its partner, a low one may
// stand alone.
bool JsonReader::SkipEscape() {
  if (end_ - p_ < 2) return false;
  if (p_[1] != 'u') {
    const bool known = std::string_view("\"\\/bfnrt").find(p_[1]) != std::string_view::npos;
    p_ += 2;
    return known;
  }
  bool is_second = false;
  while (true) {
    if (end_ - p_ < 6 || p_[0] != '\\' || p_[1] != 'u') return false;
    unsigned code = 0;
    for (int i = 2; i < 6; ++i) {
      const unsigned digit = HexDigit(p_[i]);
      if (digit > 15) return false;
      code = code * 16 + digit;
    }
    if (is_second && (code < 0xDC00 || code > 0xDFFF)) return false;
    p_ += 6;
    if (is_second || code < 0xD800 || code > 0xDBFF) return true;
    is_second = true;
  }
}

}  // namespace baton::codec::rest
