#include "frontend/grpc/grpc_message.h"

#include <algorithm>
#include <cstring>

#include "base/strings.h"
#include "net/gzip.h"

namespace baton::frontend::grpc {
namespace {

constexpr size_t kCompressAbove = 256;  // smaller messages grow

// A compressed message may grow to this, or to kMaxGrowth times its size where that is more.
// Deflate could reach a thousandfold: two megabytes would keep a loop busy for seconds and take
// gigabytes.
constexpr uint64_t kMaxInflated = uint64_t{100} << 20;
constexpr uint64_t kMaxGrowth = 50;

std::optional<net::Compression> ParseEncoding(std::string_view name) {
  if (name == "gzip") return net::Compression::kGzip;
  if (name == "deflate") return net::Compression::kDeflate;
  return std::nullopt;
}

// Parts as one run of bytes behind the prefix.
std::string Join(const std::vector<base::Buffer>& parts) {
  std::string all;
  for (const base::Buffer& part : parts) all.append(part.view());
  return all.substr(kPrefixBytes);
}

}  // namespace

absl::StatusOr<base::Buffer> DecodeUnaryMessage(const net::Request& request, uint64_t max_bytes) {
  const base::Buffer& body = request.body;
  if (body.size() < kPrefixBytes) {
    return absl::InternalError(body.empty() ? "request without a message"
                                            : "message prefix is cut short");
  }
  const unsigned char flag = static_cast<unsigned char>(body.data()[0]);
  const uint64_t length = ReadLength(body.view());
  if (length > max_bytes) return ReceivedTooMuch(length, max_bytes);
  if (body.size() - kPrefixBytes < length) return absl::InternalError("message is cut short");
  if (body.size() - kPrefixBytes > length) {
    return absl::InternalError("more than one message in a unary call");
  }
  base::Buffer message = body.Slice(kPrefixBytes, length);
  if (flag == 0) return message;
  if (flag != 1) return absl::InternalError("unknown flags in the message prefix");
  const std::string* name = request.headers.Find("grpc-encoding");
  if (name == nullptr || *name == "identity") {
    return absl::InternalError("compressed message without grpc-encoding");
  }
  const std::optional<net::Compression> encoding = ParseEncoding(*name);
  if (!encoding) {
    return absl::UnimplementedError(
        base::StrCat("grpc-encoding \"", *name, "\" is not known; use identity, gzip or deflate"));
  }
  const uint64_t limit = std::min(max_bytes, std::max(kMaxInflated, kMaxGrowth * message.size()));
  absl::StatusOr<base::Buffer> plain = net::Decompress(*encoding, message.view(), limit);
  if (plain.ok()) return plain;
  if (plain.status().code() == absl::StatusCode::kResourceExhausted) return plain.status();
  return absl::InternalError(
      base::StrCat("message does not decompress: ", base::Message(plain.status())));
}

bool WantsGzipReply(const net::Request& request, bool whatever_was_sent) {
  const std::string* sent = request.headers.Find("grpc-encoding");
  const bool was_gzip =
      sent != nullptr && *sent == "gzip" && !request.body.empty() && request.body.data()[0] == 1;
  if (!was_gzip && !whatever_was_sent) return false;
  const std::string* accepted = request.headers.Find("grpc-accept-encoding");
  return accepted != nullptr && accepted->find("gzip") != std::string::npos;
}

absl::Status ReceivedTooMuch(uint64_t bytes, uint64_t max_bytes) {
  return absl::ResourceExhaustedError(
      base::StrCat("Received message larger than max (", bytes, " vs. ", max_bytes, ")"));
}

absl::Status SentTooMuch(uint64_t bytes, uint64_t max_bytes) {
  return absl::ResourceExhaustedError(
      base::StrCat("Sent message larger than max (", bytes, " vs. ", max_bytes, ")"));
}

uint32_t ReadLength(std::string_view prefix) {
  const auto* p = reinterpret_cast<const unsigned char*>(prefix.data());
  return uint32_t{p[1]} << 24 | uint32_t{p[2]} << 16 | uint32_t{p[3]} << 8 | uint32_t{p[4]};
}

base::Buffer WithPrefixRoom(std::string_view message) {
  base::Buffer buffer = base::Buffer::Allocate(kPrefixBytes + message.size());
  if (!message.empty()) {
    std::memcpy(buffer.mutable_data() + kPrefixBytes, message.data(), message.size());
  }
  return buffer;
}

void WritePrefix(char* out, bool compressed, uint32_t length) {
  out[0] = compressed ? 1 : 0;
  out[1] = static_cast<char>(length >> 24);
  out[2] = static_cast<char>(length >> 16);
  out[3] = static_cast<char>(length >> 8);
  out[4] = static_cast<char>(length);
}

std::optional<absl::Duration> ParseTimeout(std::string_view text) {
  if (text.size() < 2 || text.size() > 9) return std::nullopt;
  int64_t value = 0;
  for (char c : text.substr(0, text.size() - 1)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  switch (text.back()) {
    case 'H':
      return absl::Hours(value);
    case 'M':
      return absl::Minutes(value);
    case 'S':
      return absl::Seconds(value);
    case 'm':
      return absl::Milliseconds(value);
    case 'u':
      return absl::Microseconds(value);
    case 'n':
      return absl::Nanoseconds(value);
    default:
      return std::nullopt;
  }
}

std::string EncodeStatusMessage(std::string_view message) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(message.size());
  for (char c : message) {
    const unsigned char u = static_cast<unsigned char>(c);
    if (u >= 0x20 && u <= 0x7e && c != '%') {
      out += c;
    } else {
      out += '%';
      out += kHex[u >> 4];
      out += kHex[u & 15];
    }
  }
  return out;
}

net::Response ErrorResponse(const absl::Status& status) {
  net::Response response;
  std::string message(base::Message(status));
  if (message.size() > kMaxStatusMessage) {
    message = message.substr(0, kMaxStatusMessage) + "...TRUNCATED";
  }
  response.headers.reserve(3);
  response.headers.push_back({"content-type", "application/grpc"});
  response.headers.push_back({"grpc-status", std::to_string(static_cast<int>(status.code()))});
  if (!message.empty()) response.headers.push_back({"grpc-message", EncodeStatusMessage(message)});
  return response;
}

net::Response MessageResponse(std::vector<base::Buffer> parts, bool gzip) {
  net::Response response;
  response.headers.push_back({"content-type", "application/grpc"});
  response.trailers.push_back({"grpc-status", "0"});
  size_t total = 0;
  for (const base::Buffer& part : parts) total += part.size();
  const size_t length = total - kPrefixBytes;
  if (length > kMaxMessageBytes) {
    return ErrorResponse(absl::ResourceExhaustedError(
        base::StrCat("answer of ", length, " bytes is larger than a gRPC message can be")));
  }
  if (gzip && length >= kCompressAbove) {
    absl::StatusOr<base::Buffer> packed = net::Compress(net::Compression::kGzip, Join(parts));
    if (packed.ok() && packed->size() < length) {
      base::Buffer prefix = base::Buffer::Allocate(kPrefixBytes);
      WritePrefix(prefix.mutable_data(), true, static_cast<uint32_t>(packed->size()));
      response.headers.push_back({"grpc-encoding", "gzip"});
      response.body = {std::move(prefix), *std::move(packed)};
      return response;
    }
  }
  WritePrefix(parts[0].mutable_data(), false, static_cast<uint32_t>(length));
  response.body = std::move(parts);
  return response;
}

}  // namespace baton::frontend::grpc
