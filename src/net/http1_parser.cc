#include "net/http1_parser.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "base/strings.h"

namespace baton::net {
namespace {

constexpr size_t kUsualHeaders = 8;

using CharSet = std::array<bool, 256>;

constexpr CharSet AlphanumericAnd(std::string_view others) {
  CharSet set{};
  for (int c = 0; c < 128; ++c) {
    set[c] = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  }
  for (const char c : others) {
    set[static_cast<unsigned char>(c)] = true;
  }
  return set;
}

// RFC 9110 token; RFC 3986 characters of a path, of query and fragment, of an authority.
constexpr CharSet kToken = AlphanumericAnd("!#$%&'*+-.^_`|~");
constexpr CharSet kPath = AlphanumericAnd("-._~!$&'()*+,;=:@/");
constexpr CharSet kQuery = AlphanumericAnd("-._~!$&'()*+,;=:@/?");
constexpr CharSet kAuthority = AlphanumericAnd("-._~!$&'()*+,;=:@[]");
constexpr CharSet kScheme = AlphanumericAnd("+-.");

bool IsIn(const CharSet& set, char c) { return set[static_cast<unsigned char>(c)]; }

bool AllIn(const CharSet& set, std::string_view text) {
  return std::all_of(text.begin(), text.end(), [&set](char c) { return IsIn(set, c); });
}

bool IsHex(char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); }

// Every character from the set, or a whole percent-encoded byte.
bool IsUriPart(const CharSet& set, std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (IsIn(set, text[i])) {
      continue;
    }
    if (text[i] != '%' || text.size() - i < 3 || !IsHex(text[i + 1]) || !IsHex(text[i + 2])) {
      return false;
    }
    i += 2;
  }
  return true;
}

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return absl::EqualsIgnoreCase(base::ToAbsl(a), base::ToAbsl(b));
}

std::string_view StripBlanks(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Takes the next line off `rest`, without its CRLF or LF.
std::string_view TakeLine(std::string_view& rest) {
  const size_t end = rest.find('\n');
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  return line;
}

bool IsKnownMethod(std::string_view method) {
  static constexpr std::string_view kMethods[] = {"POST",   "GET",     "HEAD", "PUT",
                                                  "DELETE", "OPTIONS", "PATCH"};
  return std::find(std::begin(kMethods), std::end(kMethods), method) != std::end(kMethods);
}

// "HTTP/1.x"; a minor version above 1 is spoken to as 1.1.
std::optional<Protocol> ParseVersion(std::string_view text) {
  if (text.size() != 8 || !text.starts_with("HTTP/1.") ||
      !absl::ascii_isdigit(static_cast<unsigned char>(text[7]))) {
    return std::nullopt;
  }
  return text[7] == '0' ? Protocol::kHttp10 : Protocol::kHttp11;
}

// Returns 0 or the status of the error page.
int ParseRequestLine(std::string_view line, Http1Head& head) {
  while (line.ends_with(' ')) {
    line.remove_suffix(1);
  }
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == 0 || last == first) {
    return 400;
  }
  const auto version = ParseVersion(line.substr(last + 1));
  const auto target = ParseHttp1Target(line.substr(first + 1, last - first - 1));
  if (!version.has_value() || !target.has_value()) {
    return 400;
  }
  const std::string_view method = line.substr(0, first);
  if (!IsKnownMethod(method)) {
    return 501;
  }
  head.request.protocol = *version;
  head.request.method = method;
  // "http://host" and "http://host?x" have an empty path, which means the root.
  if (target->has_empty_path) {
    head.request.target = "/";
  }
  head.request.target += target->path_and_query;
  head.is_absolute = target->is_absolute;
  return 0;
}

bool ParseField(std::string_view line, Headers& headers) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) {
    return false;
  }
  // A blank before the colon or at the front of the line (a folded line) is no token character.
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = StripBlanks(line.substr(colon + 1));
  if (!AllIn(kToken, name)) {
    return false;
  }
  for (const char c : value) {
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) {
      return false;
    }
  }
  headers.Add(std::string(name), std::string(value));
  return true;
}

// Digits only, all of them, within 63 bits.
std::optional<uint64_t> ParseLength(std::string_view text) {
  int64_t length = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (error != std::errc() || end != text.data() + text.size() || text.starts_with('-')) {
    return std::nullopt;
  }
  return static_cast<uint64_t>(length);
}

void ReadConnectionTokens(std::string_view value, Http1Head& head) {
  while (!value.empty()) {
    const size_t comma = value.find(',');
    const std::string_view token = StripBlanks(value.substr(0, comma));
    head.asks_close |= EqualsIgnoreCase(token, "close");
    head.asks_keep_alive |= EqualsIgnoreCase(token, "keep-alive");
    value.remove_prefix(comma == std::string_view::npos ? value.size() : comma + 1);
  }
}

// What the fields mean for body and connection. Returns 0 or the status of the error page.
int Interpret(Http1Head& head) {
  std::optional<uint64_t> length;
  const bool is_http11 = head.request.protocol == Protocol::kHttp11;
  for (const Header& field : head.request.headers.fields()) {
    switch (field.name.size()) {
      case 6:
        if (EqualsIgnoreCase(field.name, "Expect") && is_http11) {
          if (!EqualsIgnoreCase(field.value, "100-continue")) {
            return 417;
          }
          head.expects_continue = true;
        }
        break;
      case 10:
        if (EqualsIgnoreCase(field.name, "Connection")) {
          ReadConnectionTokens(field.value, head);
        }
        break;
      case 14:
        if (EqualsIgnoreCase(field.name, "Content-Length")) {
          const auto parsed = ParseLength(field.value);
          if (!parsed.has_value() || (length.has_value() && *length != *parsed)) {
            return 400;
          }
          length = parsed;
        }
        break;
      case 17:
        if (EqualsIgnoreCase(field.name, "Transfer-Encoding")) {
          // Anything but one plain "chunked" leaves the end of the body open to opinion.
          if (!is_http11 || head.chunked || !EqualsIgnoreCase(field.value, "chunked")) {
            return 400;
          }
          head.chunked = true;
        }
        break;
      default:
        break;
    }
  }
  if (head.chunked && length.has_value()) {
    return 400;
  }
  head.content_length = length.value_or(0);
  return 0;
}

int ParseInto(std::string_view rest, const Limits& limits, Http1Head& head) {
  if (const int error = ParseRequestLine(TakeLine(rest), head); error != 0) {
    return error;
  }
  head.request.headers.Reserve(kUsualHeaders);
  for (std::string_view line = TakeLine(rest); !line.empty(); line = TakeLine(rest)) {
    if (head.request.headers.fields().size() == limits.max_headers ||
        !ParseField(line, head.request.headers)) {
      return 400;
    }
  }
  return Interpret(head);
}

// An authority has at most one user part, a host (a name, or an IPv6 address in brackets) and a
// port of digits.
bool IsAuthority(std::string_view text) {
  if (!IsUriPart(kAuthority, text)) {
    return false;
  }
  text.remove_prefix(std::min(text.size(), text.find('@') + 1));
  if (const size_t bracket = text.find(']'); bracket != std::string_view::npos) {
    if (!text.starts_with('[')) {
      return false;
    }
    text.remove_prefix(bracket + 1);
    if (!text.empty() && !text.starts_with(':')) {
      return false;
    }
  }
  const size_t colon = text.find(':');
  const std::string_view port = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  return text.find_first_of("@[]") == std::string_view::npos &&
         std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The scheme at the front with its colon, or nothing.
std::string_view SchemeOf(std::string_view target) {
  const size_t colon = target.find(':');
  if (colon == std::string_view::npos || colon == 0 ||
      !absl::ascii_isalpha(static_cast<unsigned char>(target[0])) ||
      !AllIn(kScheme, target.substr(0, colon))) {
    return {};
  }
  return target.substr(0, colon + 1);
}

}  // namespace

size_t FindHeadEnd(std::string_view bytes, size_t scanned) {
  // An end may begin up to three bytes before what has not been seen yet.
  size_t at = scanned > 3 ? scanned - 3 : 0;
  while ((at = bytes.find('\n', at)) != std::string_view::npos) {
    ++at;
    if (bytes.substr(at, 1) == "\n") {
      return at + 1;
    }
    if (bytes.substr(at, 2) == "\r\n") {
      return at + 2;
    }
  }
  return 0;
}

std::optional<Http1Target> ParseHttp1Target(std::string_view target) {
  if (target.empty()) {
    return std::nullopt;
  }
  Http1Target result;
  const std::string_view scheme = SchemeOf(target);
  target.remove_prefix(scheme.size());
  const bool has_authority = target.starts_with("//");
  if (has_authority) {
    const std::string_view authority =
        target.substr(2, std::min(target.find_first_of("/?#", 2), target.size()) - 2);
    if (!IsAuthority(authority)) {
      return std::nullopt;
    }
    target.remove_prefix(2 + authority.size());
    result.is_absolute = !authority.empty() &&
                         (EqualsIgnoreCase(scheme, "http:") || EqualsIgnoreCase(scheme, "https:"));
  }
  result.path_and_query = target;
  const size_t path_end = std::min(target.find_first_of("?#"), target.size());
  const std::string_view path = target.substr(0, path_end);
  result.has_empty_path = path.empty();
  // Without a scheme, a colon in the first segment would have been one.
  const bool has_stray_colon =
      scheme.empty() && !has_authority && path.substr(0, path.find('/')).find(':') != path.npos;
  if (has_stray_colon || !IsUriPart(kPath, path)) {
    return std::nullopt;
  }
  target.remove_prefix(path_end);
  const size_t hash = std::min(target.find('#'), target.size());
  const std::string_view query = target.substr(0, hash);
  const std::string_view fragment = target.substr(std::min(hash + 1, target.size()));
  if (!IsUriPart(kQuery, query) || !IsUriPart(kQuery, fragment)) {
    return std::nullopt;
  }
  return result;
}

Http1Head ParseHttp1Head(std::string_view head, const Limits& limits) {
  Http1Head result;
  if (const int error = ParseInto(head, limits, result); error != 0) {
    Http1Head failed;
    failed.error = error;
    return failed;
  }
  return result;
}

}  // namespace baton::net
