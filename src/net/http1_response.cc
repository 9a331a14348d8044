#include "net/http1_response.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "base/strings.h"
#include "net/http_status.h"

namespace baton::net {
namespace {

bool IsNamed(const Header& field, std::string_view name) {
  return field.name.size() == name.size() &&
         absl::EqualsIgnoreCase(base::ToAbsl(field.name), base::ToAbsl(name));
}

void AppendField(std::string_view name, std::string_view value, std::string& out) {
  out.append(name).append(": ").append(value).append("\r\n");
}

void AppendNumber(uint64_t number, std::string& out) {
  char digits[20];
  out.append(digits, std::to_chars(digits, digits + sizeof(digits), number).ptr);
}

// "Fri, 20 Nov 2026 15:52:47 GMT", made once a second.
void AppendDate(absl::Time now, std::string& out) {
  thread_local int64_t made_for = -1;
  thread_local std::string text;
  const int64_t second = absl::ToUnixSeconds(now);
  if (second != made_for) {
    const std::time_t time = second;
    std::tm parts{};
    gmtime_r(&time, &parts);
    char line[48];
    text.assign(line, std::strftime(line, sizeof(line), "%a, %d %b %Y %H:%M:%S GMT", &parts));
    made_for = second;
  }
  AppendField("Date", text, out);
}

void AppendStatusLine(int status, bool is_http11, std::string& out) {
  out.append(is_http11 ? "HTTP/1.1 " : "HTTP/1.0 ");
  AppendNumber(static_cast<uint64_t>(std::max(status, 0)), out);
  out.append(" ").append(ReasonPhrase(status)).append("\r\n");
}

bool MayHaveBody(int status) { return status >= 200 && status != 204 && status != 304; }

// What the handler wrote itself, so that it is not written twice.
struct OwnFields {
  bool content_type = false;
  bool content_length = false;
  bool connection = false;
};

OwnFields AppendHandlerFields(const Response& response, bool keep_connection, std::string& out) {
  OwnFields own;
  for (const Header& field : response.headers) {
    own.content_type |= IsNamed(field, "Content-Type");
    own.content_length |= IsNamed(field, "Content-Length");
    if (!IsNamed(field, "Connection") || keep_connection) {
      AppendField(field.name, field.value, out);
    }
  }
  return own;
}

}  // namespace

bool AppendHttp1Response(Response response, const Http1AnswerShape& shape, absl::Time now,
                         OutputQueue& out) {
  size_t body_bytes = 0;
  for (const base::Buffer& part : response.body) {
    body_bytes += part.size();
  }
  const bool names_connection =
      std::any_of(response.headers.begin(), response.headers.end(),
                  [](const Header& field) { return IsNamed(field, "Connection"); });
  const bool is_http11 = shape.protocol != Protocol::kHttp10 || names_connection;
  const bool has_body = MayHaveBody(response.status);
  const bool tells_length = has_body && !shape.is_head;
  const bool closes = shape.asks_close || shape.must_close || response.close;
  const bool persists_as_10 = !is_http11 && shape.asks_keep_alive && !closes;

  thread_local std::string head;
  head.clear();
  AppendStatusLine(response.status, is_http11, head);
  // As the stock server: what the client asked for is written last, and once.
  const OwnFields own = AppendHandlerFields(response, !shape.asks_close, head);
  if (is_http11) {
    AppendDate(now, head);
  }
  if (persists_as_10) {
    AppendField("Connection", "keep-alive", head);
  }
  if (tells_length && (is_http11 || persists_as_10) && !own.content_length) {
    head.append("Content-Length: ");
    AppendNumber(body_bytes, head);
    head.append("\r\n");
  }
  if (tells_length && !own.content_type) {
    AppendField("Content-Type", "text/html; charset=ISO-8859-1", head);
  }
  if (shape.asks_close || (closes && !names_connection && is_http11)) {
    AppendField("Connection", "close", head);
  }
  head.append("\r\n");
  out.Append(head);
  if (has_body) {
    for (base::Buffer& part : response.body) {
      out.Append(std::move(part));
    }
  }
  return closes || (!is_http11 && !persists_as_10) || (shape.is_head && body_bytes > 0);
}

}  // namespace baton::net
