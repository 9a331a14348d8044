#pragma once

#include "absl/time/time.h"
#include "net/connection.h"
#include "net/exchange.h"

namespace baton::net {

// What the request's head says about the shape of its answer.
struct Http1AnswerShape {
  Protocol protocol = Protocol::kHttp11;
  bool is_head = false;
  bool asks_close = false;
  bool asks_keep_alive = false;
  bool must_close = false;  // for reasons of our own
};

// Writes the answer as TensorFlow Serving's libevent does: the handler's fields, Date,
// Content-Length, Connection; a Content-Type when the handler gave none. Returns whether the
// connection ends after it.
//
// A handler that writes a Connection field of its own (HtmlError) speaks HTTP/1.1 whatever was
// asked. HEAD is answered with the body and without its length, byte for byte as the stock server
// does; the connection then ends, because a client that knows HTTP would take that body for the
// next answer.
bool AppendHttp1Response(Response response, const Http1AnswerShape& shape, absl::Time now,
                         OutputQueue& out);

}  // namespace baton::net
