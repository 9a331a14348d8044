#include "net/http_status.h"

#include <algorithm>
#include <iterator>

#include "base/strings.h"

namespace baton::net {
namespace {

struct Phrase {
  int status;
  std::string_view text;
};

constexpr Phrase kPhrases[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {305, "Use Proxy"},
    {307, "Temporary Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Time-out"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Request Entity Too Large"},
    {414, "Request-URI Too Large"},
    {415, "Unsupported Media Type"},
    {416, "Requested range not satisfiable"},
    {417, "Expectation Failed"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Time-out"},
    {505, "HTTP Version not supported"},
};

constexpr std::string_view kClasses[] = {"Informational", "Success", "Redirection", "Client Error",
                                         "Server Error"};

}  // namespace

std::string_view ReasonPhrase(int status) {
  const auto* found =
      std::lower_bound(std::begin(kPhrases), std::end(kPhrases), status,
                       [](const Phrase& phrase, int wanted) { return phrase.status < wanted; });
  if (found != std::end(kPhrases) && found->status == status) {
    return found->text;
  }
  return status >= 100 && status < 600 ? kClasses[status / 100 - 1] : "Unknown Status Class";
}

Response HtmlError(int status) {
  const std::string_view reason = ReasonPhrase(status);
  Response response;
  response.status = status;
  response.headers = {{"Content-Type", "text/html"}, {"Connection", "close"}};
  response.body.push_back(base::Buffer::FromString(
      base::StrCat("<HTML><HEAD>\n<TITLE>", status, " ", reason, "</TITLE>\n</HEAD><BODY>\n<H1>",
                   reason, "</H1>\n</BODY></HTML>\n")));
  response.close = true;
  return response;
}

}  // namespace baton::net
