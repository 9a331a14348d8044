#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "net/exchange.h"
#include "net/limits.h"

namespace baton::net {

// A request's line and fields, and what they say about the body and the connection.
struct Http1Head {
  int error = 0;  // not 0: the status of the error page to answer with; nothing else is set
  Request request;
  bool chunked = false;
  uint64_t content_length = 0;
  bool expects_continue = false;
  bool asks_close = false;       // "Connection: close"
  bool asks_keep_alive = false;  // "Connection: keep-alive"
  bool is_absolute = false;      // the target named an authority, as to a proxy
};

// The size of the head at the front of `bytes`, with its empty line; 0 when it is not complete.
// Lines end in CRLF or LF. `scanned` bytes are known to hold no end.
size_t FindHeadEnd(std::string_view bytes, size_t scanned);

// Reads a whole head as FindHeadEnd measured it. What TensorFlow Serving's libevent accepts is
// accepted, unless two servers could understand it differently: folded lines, blanks around names,
// doubtful lengths and codings are refused.
//
// Threads: pure. Errors: Http1Head::error.
Http1Head ParseHttp1Head(std::string_view head, const Limits& limits);

// Path, query and fragment of a request target, or nothing when it is not a URI by RFC 3986
// (libevent's strict parser, through which the stock server sends every target). Exposed for tests.
struct Http1Target {
  std::string_view path_and_query;
  bool has_empty_path = false;
  bool is_absolute = false;
};
std::optional<Http1Target> ParseHttp1Target(std::string_view target);

}  // namespace baton::net
