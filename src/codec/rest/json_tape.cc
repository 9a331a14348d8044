#include "codec/rest/json_tape.h"

#include <cstring>

namespace baton::codec::rest {
namespace {

unsigned Hex4(const char* p) {
  unsigned value = 0;
  for (int i = 0; i < 4; ++i) value = value * 16 + HexDigit(p[i]);
  return value;
}

char* PutUtf8(unsigned code, char* out) {
  if (code < 0x80) {
    *out++ = static_cast<char>(code);
  } else if (code < 0x800) {
    *out++ = static_cast<char>(0xC0 | (code >> 6));
    *out++ = static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    *out++ = static_cast<char>(0xE0 | (code >> 12));
    *out++ = static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    *out++ = static_cast<char>(0x80 | (code & 0x3F));
  } else {
    *out++ = static_cast<char>(0xF0 | (code >> 18));
    *out++ = static_cast<char>(0x80 | ((code >> 12) & 0x3F));
    *out++ = static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    *out++ = static_cast<char>(0x80 | (code & 0x3F));
  }
  return out;
}

char Unescaped(char c) {
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return c;  // quote, backslash, slash
  }
}

// The value of an integer token of up to 64 bits.
JsonInteger ReadLongInteger(const char* token) {
  JsonInteger result;
  result.negative = *token == '-';
  const char* p = token + result.negative;
  uint64_t magnitude = 0;
  for (; *p >= '0' && *p <= '9'; ++p) magnitude = magnitude * 10 + static_cast<uint64_t>(*p - '0');
  result.bits = result.negative ? uint64_t{0} - magnitude : magnitude;
  return result;
}

}  // namespace

size_t JsonTape::next(size_t at) const {
  switch (kind(at)) {
    case JsonKind::kArray:
    case JsonKind::kObject:
      return Payload(raw(at));
    case JsonKind::kString:
      return at + 2;
    default:
      return at + 1;
  }
}

JsonInteger JsonTape::integer_at(size_t at) const {
  const uint64_t entry = raw(at);
  if (KindOf(entry) == JsonKind::kInt) {
    const int64_t value = SmallInt(entry);
    return {value < 0, static_cast<uint64_t>(value)};
  }
  return ReadLongInteger(text_.data() + Payload(entry));
}

std::string_view JsonTape::raw_string(size_t at) const {
  return {text_.data() + Payload(raw(at)), raw(at + 1) & ~kEscapedFlag};
}

std::string JsonTape::string_at(size_t at) const {
  std::string text(raw_string(at));
  if (has_escapes(at)) text.resize(Unescape(raw_string(at), text.data()));
  return text;
}

bool JsonTape::string_equals(size_t at, std::string_view text) const {
  return has_escapes(at) ? string_at(at) == text : raw_string(at) == text;
}

size_t JsonTape::Find(size_t object, std::string_view name) const {
  const size_t end = next(object);
  for (size_t key = object + 2; key < end; key = next(key + 2)) {
    if (string_equals(key, name)) return key + 2;
  }
  return 0;
}

bool JsonTape::is_base64_object(size_t at) const {
  return is_object(at) && count(at) == 1 && kind(at + 4) == JsonKind::kString &&
         string_equals(at + 2, "b64");
}

size_t Unescape(std::string_view raw, char* out) {
  char* const begin = out;
  const char* p = raw.data();
  const char* const end = p + raw.size();
  while (p < end) {
    const void* found = std::memchr(p, '\\', static_cast<size_t>(end - p));
    const char* clean = found == nullptr ? end : static_cast<const char*>(found);
    // In place is allowed: what is written never overtakes what is read.
    std::memmove(out, p, static_cast<size_t>(clean - p));
    out += clean - p;
    if (clean == end) break;
    p = clean + 2;
    if (clean[1] != 'u') {
      *out++ = Unescaped(clean[1]);
      continue;
    }
    unsigned code = Hex4(p);
    p += 4;
    if (code >= 0xD800 && code <= 0xDBFF) {  // the reader saw its partner
      code = (((code - 0xD800) << 10) | (Hex4(p + 2) - 0xDC00)) + 0x10000;
      p += 6;
    }
    out = PutUtf8(code, out);
  }
  return static_cast<size_t>(out - begin);
}

}  // namespace baton::codec::rest
