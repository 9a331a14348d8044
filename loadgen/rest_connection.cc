#include <charconv>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "base/buffer.h"
#include "base/strings.h"
#include "loadgen/connection.h"

namespace baton::loadgen {
namespace {

constexpr size_t kMostHeaderBytes = 65536;

// The head of an answer. Only what TensorFlow Serving's protocol needs: no chunks, no bodies
// without a length.
struct Head {
  size_t bytes = 0;  // with the empty line
  int status = 0;
  uint64_t body_bytes = 0;
  bool closes = false;
};

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') {
    text.remove_prefix(1);
  }
  return text;
}

// Nothing: it is not complete. A status of 0: it cannot be understood.
std::optional<Head> ParseHead(std::string_view bytes) {
  const size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    return bytes.size() > kMostHeaderBytes ? std::optional<Head>(Head()) : std::nullopt;
  }
  Head head;
  head.bytes = end + 4;
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  if (bytes.starts_with(kVersion)) {
    std::from_chars(bytes.data() + kVersion.size(), bytes.data() + end, head.status);
  }
  bool has_length = false;
  for (std::string_view rest = bytes.substr(0, end); !rest.empty();) {
    const size_t line_end = std::min(rest.find("\r\n"), rest.size());
    const std::string_view line = rest.substr(0, line_end);
    rest.remove_prefix(std::min(line_end + 2, rest.size()));
    const size_t colon = std::min(line.find(':'), line.size());
    const std::string_view value = Trimmed(line.substr(std::min(colon + 1, line.size())));
    if (absl::EqualsIgnoreCase(base::ToAbsl(line.substr(0, colon)), "content-length")) {
      has_length = std::from_chars(value.data(), value.data() + value.size(), head.body_bytes).ec ==
                   std::errc();
    } else if (absl::EqualsIgnoreCase(base::ToAbsl(line.substr(0, colon)), "connection")) {
      head.closes = absl::EqualsIgnoreCase(base::ToAbsl(value), "close");
    }
  }
  if (!has_length) {
    head.status = 0;
  }
  return head;
}

class RestConnection final : public Connection {
 public:
  RestConnection(const LoadOptions& options, Tally* tally)
      : tally_(*tally),
        expected_(options.expected),
        request_(base::Buffer::FromString(base::StrCat(
            "POST ", options.path, " HTTP/1.1\r\nHost: ", options.host, ":", options.port,
            "\r\nContent-Type: application/json\r\nContent-Length: ", options.body.size(),
            "\r\n\r\n", options.body))) {}

  void Start(uint64_t now_nanos) override { Send(now_nanos); }

  bool OnBytes(std::string_view bytes, uint64_t now_nanos) override {
    received_.append(bytes);
    if (!head_.has_value()) {
      head_ = ParseHead(received_);
      if (!head_.has_value()) {
        return true;
      }
      if (head_->status == 0) {
        tally_.Bad("the answer is not HTTP/1.1 with a Content-Length");
        under_way_ = false;
        return false;
      }
    }
    if (received_.size() < head_->bytes + head_->body_bytes) {
      return true;
    }
    const bool goes_on = !head_->closes;
    Judge(now_nanos);
    received_.clear();
    head_.reset();
    under_way_ = false;
    if (goes_on) {
      Send(now_nanos);
    }
    return goes_on;
  }

  void CollectOutput(net::OutputQueue& out) override {
    if (!request_is_out_) {
      out.Append(request_);
      request_is_out_ = true;
    }
  }
  int requests_under_way() const override { return under_way_ ? 1 : 0; }

 private:
  void Send(uint64_t now_nanos) {
    sent_nanos_ = now_nanos;
    under_way_ = true;
    request_is_out_ = false;
  }

  void Judge(uint64_t now_nanos) {
    const std::string_view body = std::string_view(received_).substr(head_->bytes);
    if (head_->status != 200) {
      tally_.Bad(base::StrCat("HTTP status ", head_->status, ": ", body.substr(0, 200)));
    } else if (body.size() != head_->body_bytes || (expected_.has_value() && body != *expected_)) {
      tally_.Bad("the answer's bytes are not as expected");
    } else {
      tally_.Good(now_nanos - sent_nanos_);
    }
  }

  Tally& tally_;
  const std::optional<std::string>& expected_;
  const base::Buffer request_;
  std::string received_;
  std::optional<Head> head_;
  uint64_t sent_nanos_ = 0;
  bool under_way_ = false;
  bool request_is_out_ = true;
};

}  // namespace

std::unique_ptr<Connection> MakeRestConnection(const LoadOptions& options, Tally* tally) {
  return std::make_unique<RestConnection>(options, tally);
}

}  // namespace baton::loadgen
