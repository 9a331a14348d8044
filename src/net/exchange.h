#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "base/buffer.h"

namespace baton::net {

class EventLoop;

enum class Protocol { kHttp10, kHttp11, kHttp2 };

struct Header {
  std::string name;  // as sent over HTTP/1, lower case over HTTP/2
  std::string value;
};

// Header fields in order of arrival; names compare without case.
class Headers {
 public:
  void Add(std::string name, std::string value) {
    fields_.push_back({std::move(name), std::move(value)});
  }
  void Reserve(size_t fields) { fields_.reserve(fields); }
  // The first field of that name, or nullptr.
  const std::string* Find(std::string_view name) const;
  const std::vector<Header>& fields() const { return fields_; }
  bool empty() const { return fields_.empty(); }

 private:
  std::vector<Header> fields_;
};

struct Request {
  Protocol protocol = Protocol::kHttp11;
  std::string method;  // "POST"
  // Path, query and fragment as sent, after the authority; still percent-encoded.
  std::string target;
  Headers headers;
  base::Buffer body;  // whole and contiguous; empty for streaming handlers
};

// Headers are written in this order after the protocol's own. `body` is written without copying
// large parts.
struct Response {
  int status = 200;
  std::vector<Header> headers = {};
  std::vector<base::Buffer> body = {};
  std::vector<Header> trailers = {};  // HTTP/2 only
  bool close = false;                 // HTTP/1: end the connection after this answer
};

// One request and its one answer, the same for HTTP/1.1 and HTTP/2.
//
// Life: created by a connection when the request's headers are complete; handed to the
// RequestHandler; kept alive by whoever holds the shared_ptr. The connection may die first: answers
// then go nowhere, and cancelled() is true.
//
// Threads: request() is immutable once the handler has it. Respond, Write and Finish may be called
// on any thread (they hop to the loop when needed; on the loop thread they act at once, the bytes
// leave at the end of the turn). OnCancel and loop() timers: loop thread only. cancelled(): any
// thread.
//
// Owner: shared by whoever works on the answer. No exchange may outlive the net::Server.
//
// Errors: none to the caller; answering twice keeps the first answer; an exchange that is dropped
// unanswered answers 500 (HTTP/1) or resets its stream with INTERNAL_ERROR (HTTP/2).
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  virtual ~Exchange() = default;

  const Request& request() const { return request_; }
  virtual EventLoop& loop() = 0;

  // True once the peer reset the stream, closed the connection, or was thrown out.
  virtual bool cancelled() const = 0;
  // `work` runs on the loop thread if the exchange is cancelled before it is answered. At most one.
  virtual void OnCancel(absl::AnyInvocable<void()> work) = 0;

  // The whole answer.
  virtual void Respond(Response response) = 0;

  // A streamed answer (HTTP/2): headers, any number of parts, then the trailers. Not to be mixed
  // with Respond.
  virtual void StartStream(int status, std::vector<Header> headers) = 0;
  virtual void Write(base::Buffer part) = 0;
  virtual void Finish(std::vector<Header> trailers) = 0;

 protected:
  Request request_;
};

using ExchangePtr = std::shared_ptr<Exchange>;

// Reads the body of one streaming request as it arrives. Loop thread only; dies when the stream
// ends.
class StreamReader {
 public:
  virtual ~StreamReader() = default;
  virtual void OnData(std::string_view bytes) = 0;
  virtual void OnEnd() = 0;  // the peer half-closed
};

// What a listener's requests are given to.
//
// Threads: called on loop threads, several at once; implementations are thread-safe.
// Owner: server/; outlives net::Server.
class RequestHandler {
 public:
  virtual ~RequestHandler() = default;

  // The request is complete, its body in request().body.
  virtual void OnRequest(ExchangePtr exchange) = 0;

  // Asked when the headers are complete: a reader takes the body part by part, and OnRequest is not
  // called.
  virtual std::unique_ptr<StreamReader> OnStream(const ExchangePtr& exchange) { return nullptr; }

  // Most body bytes this request may bring; above it OnBodyTooLarge answers and the rest is thrown
  // away. Over HTTP/2 the request's body is then its first bytes, kBodyStart at most.
  static constexpr size_t kBodyStart = 16;
  virtual uint64_t MaxBodyBytes(const Request& request) { return uint64_t{1} << 31; }
  virtual void OnBodyTooLarge(ExchangePtr exchange, uint64_t limit) = 0;

  // Given the first bytes of a large body: an offset in the body that should come to lie on a
  // 64-byte boundary, so that tensor bytes inside the message can be used where they are. 0: no
  // wish.
  virtual size_t AlignedOffset(const Request& request, std::string_view first_bytes) { return 0; }
};

}  // namespace baton::net
