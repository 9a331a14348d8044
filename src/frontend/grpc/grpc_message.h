#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/buffer.h"
#include "net/exchange.h"

namespace baton::frontend::grpc {

// gRPC over HTTP/2, the parts that are not HTTP/2: length-prefixed messages, timeouts, statuses as
// header fields. Pure functions.

inline constexpr size_t kPrefixBytes = 5;
inline constexpr uint64_t kMaxMessageBytes = 2147483647;  // what TensorFlow Serving accepts
inline constexpr size_t kMaxStatusMessage = 1024;

// What a server takes and gives; gRPC's channel arguments of the same meaning.
struct MessagePolicy {
  uint64_t max_request_bytes = kMaxMessageBytes;
  uint64_t max_reply_bytes = UINT32_MAX;  // more fits no prefix
  // Compress replies to every client that takes gzip, not only to those that use it.
  bool gzip_replies = false;
};

// The single message of a unary request's body, decompressed if need be. Errors: kInternal for
// broken framing, kUnimplemented for an encoding we do not know, kResourceExhausted above
// `max_bytes`.
absl::StatusOr<base::Buffer> DecodeUnaryMessage(const net::Request& request, uint64_t max_bytes);

// Whether the request's message was compressed with gzip (or that does not matter) and its sender
// takes gzip back.
bool WantsGzipReply(const net::Request& request, bool whatever_was_sent = false);

// kResourceExhausted, in gRPC's words.
absl::Status ReceivedTooMuch(uint64_t bytes, uint64_t max_bytes);
absl::Status SentTooMuch(uint64_t bytes, uint64_t max_bytes);

// The message length in a prefix. REQUIRES: kPrefixBytes bytes.
uint32_t ReadLength(std::string_view prefix);

// A copy of `message` behind room for its prefix.
base::Buffer WithPrefixRoom(std::string_view message);

// Writes the five bytes in front of `length` message bytes.
void WritePrefix(char* out, bool compressed, uint32_t length);

// "grpc-timeout: 100m". nullopt for anything malformed.
std::optional<absl::Duration> ParseTimeout(std::string_view text);

// Percent-encoding of grpc-message: everything outside printable ASCII, and '%'.
std::string EncodeStatusMessage(std::string_view message);

// A trailers-only answer. The message is cut at 1024 bytes with "...TRUNCATED" behind, as
// TensorFlow Serving does.
net::Response ErrorResponse(const absl::Status& status);

// A unary answer: `parts` are one message; the first kPrefixBytes of the first part are left free
// for the prefix. REQUIRES: parts[0] is at least kPrefixBytes long and not shared yet.
net::Response MessageResponse(std::vector<base::Buffer> parts, bool gzip);

}  // namespace baton::frontend::grpc
