#include "codec/rest/answer_text.h"

#include <algorithm>
#include <cstring>

#include "codec/rest/base64.h"

namespace baton::codec::rest {
namespace {

constexpr char kHex[] = "0123456789ABCDEF";

// The letter behind the backslash, 'u' for \u00XX, 0 for a byte that stands for itself.
char EscapeOf(char c) {
  switch (c) {
    case '"':
    case '\\':
      return c;
    case '\b':
      return 'b';
    case '\f':
      return 'f';
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    default:
      return static_cast<unsigned char>(c) < 0x20 ? 'u' : '\0';
  }
}

}  // namespace

void AnswerText::Grow(size_t bytes) {
  const size_t used = static_cast<size_t>(at_ - buffer_.data());
  base::Buffer larger = base::Buffer::Allocate(std::max(buffer_.size() * 2, used + bytes));
  std::memcpy(larger.mutable_data(), buffer_.data(), used);
  buffer_ = std::move(larger);
  at_ = buffer_.mutable_data() + used;
  end_ = buffer_.mutable_data() + buffer_.size();
}

void AnswerText::Put(std::string_view text) {
  if (text.empty()) return;
  std::memcpy(Room(text.size()), text.data(), text.size());
  at_ += text.size();
}

void AnswerText::PutString(std::string_view text) {
  constexpr size_t kPiece = 4096;  // escaping may take six times the room
  Put('"');
  for (; text.size() > kPiece; text.remove_prefix(kPiece)) PutEscaped(text.substr(0, kPiece));
  PutEscaped(text);
  Put('"');
}

void AnswerText::PutEscaped(std::string_view text) {
  char* out = Room(text.size() * 6);
  for (char c : text) {
    const char escape = EscapeOf(c);
    if (escape == '\0') {
      *out++ = c;
      continue;
    }
    *out++ = '\\';
    *out++ = escape;
    if (escape == 'u') {
      *out++ = '0';
      *out++ = '0';
      *out++ = kHex[static_cast<unsigned char>(c) >> 4];
      *out++ = kHex[c & 15];
    }
  }
  Commit(out);
}

void AnswerText::PutBase64(std::string_view bytes) {
  const size_t size = Base64Size(bytes.size());
  char* const out = Room(size + 2);
  *out = '"';
  EncodeBase64(bytes, out + 1);
  out[size + 1] = '"';
  Commit(out + size + 2);
}

void AnswerText::PutLine(size_t level) {
  char* const out = Room(1 + level * 4);
  *out = '\n';
  std::memset(out + 1, ' ', level * 4);
  Commit(out + 1 + level * 4);
}

}  // namespace baton::codec::rest
