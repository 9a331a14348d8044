#include "net/tls_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "base/strings.h"

namespace baton::net {
namespace {

constexpr size_t kRecordBytes = SSL3_RT_MAX_PLAIN_LENGTH;
// Beyond what a handshake needs; larger blocks go back when they are written.
constexpr size_t kKeepCapacity = 1024;

// How many bytes the socket took; nullopt on an error other than "full".
std::optional<size_t> Send(int fd, std::string_view bytes) {
  for (;;) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return static_cast<size_t>(sent);
    if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
    if (errno != EINTR) return std::nullopt;
  }
}

}  // namespace

// Reads take from the records at hand and say "later" at their end; writes always succeed.
struct TlsStream::Bio {
  static TlsStream& Self(BIO* bio) { return *static_cast<TlsStream*>(BIO_get_data(bio)); }

  static int Read(BIO* bio, char* out, size_t size, size_t* read) {
    BIO_clear_retry_flags(bio);
    std::string_view& input = Self(bio).input_;
    *read = std::min(size, input.size());
    if (*read == 0) {
      BIO_set_retry_read(bio);
      return 0;
    }
    std::memcpy(out, input.data(), *read);
    input.remove_prefix(*read);
    return 1;
  }
  static int Write(BIO* bio, const char* bytes, size_t size, size_t* written) {
    BIO_clear_retry_flags(bio);
    Self(bio).output_->append(bytes, size);
    *written = size;
    return 1;
  }
  static long Control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static const BIO_METHOD* Table() {
    static const BIO_METHOD* const table = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "baton");
      BATON_CHECK(made != nullptr && BIO_meth_set_read_ex(made, Read) == 1 &&
                  BIO_meth_set_write_ex(made, Write) == 1 && BIO_meth_set_ctrl(made, Control) == 1);
      return made;
    }();
    return table;
  }
};

TlsStream::TlsStream(const TlsContext& context, Protocol protocol)
    : ssl_(context.NewConnection(protocol)), protocol_(protocol) {
  BIO* const bio = BIO_new(Bio::Table());
  BATON_CHECK(bio != nullptr);  // fails for want of memory only
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);  // takes it over
}

TlsStream::~TlsStream() { SSL_free(ssl_); }

TlsStream::Progress TlsStream::Read(std::string_view records, std::vector<char>& room,
                                    absl::FunctionRef<bool(std::string_view)> sink) {
  if (!error_.empty()) return Progress::kBroken;
  input_ = records;
  const Progress progress = is_established_ ? Progress::kOpen : Handshake();
  const Progress end =
      progress == Progress::kOpen && is_established_ ? ReadPlain(room, sink) : progress;
  input_ = {};
  return end;
}

TlsStream::Progress TlsStream::Handshake() {
  ERR_clear_error();
  const int code = SSL_do_handshake(ssl_);
  if (code != 1) {
    return SSL_get_error(ssl_, code) == SSL_ERROR_WANT_READ ? Progress::kOpen : Break(code);
  }
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  if (protocol_ == Protocol::kHttp2 && size == 0) {
    SayGoodbye();
    error_ = "the peer did not offer HTTP/2 (ALPN \"h2\"), as gRPC needs it";
    return Progress::kBroken;
  }
  is_established_ = true;
  return Progress::kOpen;
}

TlsStream::Progress TlsStream::ReadPlain(std::vector<char>& room,
                                         absl::FunctionRef<bool(std::string_view)> sink) {
  BATON_CHECK(room.size() >= kRoomBytes);
  size_t filled = 0;
  for (;;) {
    size_t got = 0;
    ERR_clear_error();
    const int code = SSL_read_ex(ssl_, room.data() + filled, room.size() - filled, &got);
    filled += got;
    // Whole records only, while they fit: a part of one would be copied once more.
    if (code == 1 && room.size() - filled >= kRecordBytes) continue;
    if (filled > 0 && !sink({room.data(), std::exchange(filled, 0)})) return Progress::kRefused;
    if (code == 1) continue;
    switch (SSL_get_error(ssl_, code)) {
      case SSL_ERROR_WANT_READ:
        return Progress::kOpen;
      case SSL_ERROR_ZERO_RETURN:
        return Progress::kEnded;
      default:
        return Break(code);
    }
  }
}

TlsStream::Progress TlsStream::Break(int code) {
  const unsigned long reason = ERR_peek_error();
  const char* text = reason == 0 ? nullptr : ERR_reason_error_string(reason);
  error_ = text != nullptr ? text : base::StrCat("TLS error ", SSL_get_error(ssl_, code));
  if (const long verdict = SSL_get_verify_result(ssl_); verdict != X509_V_OK) {
    error_ += base::StrCat(": ", X509_verify_cert_error_string(verdict));
  }
  ERR_clear_error();
  return Progress::kBroken;
}

bool TlsStream::Write(int fd, OutputQueue& out, std::string& records) {
  for (;;) {
    if (!WriteUnsent(fd)) return false;
    if (unsent_bytes() > 0 || out.empty()) return true;
    records.clear();
    output_ = &records;
    const bool is_encrypted = Encrypt(out);
    output_ = &unsent_;
    const std::optional<size_t> sent = is_encrypted ? Send(fd, records) : std::nullopt;
    if (!sent) return false;
    unsent_.append(records, *sent);
  }
}

// Some of `out`, so that other connections get their turn with the loop's memory.
bool TlsStream::Encrypt(OutputQueue& out) {
  std::array<char, kRecordBytes> gathered;
  ERR_clear_error();
  for (size_t taken = 0; taken < kWriteBytes && !out.empty();) {
    const std::string_view plain = out.Front(gathered);
    size_t written = 0;
    if (SSL_write_ex(ssl_, plain.data(), plain.size(), &written) != 1) {
      Break(-1);
      return false;
    }
    out.Drop(written);
    taken += written;
  }
  return true;
}

bool TlsStream::WriteUnsent(int fd) {
  if (unsent_bytes() == 0) return true;
  const std::optional<size_t> sent = Send(fd, std::string_view(unsent_).substr(unsent_offset_));
  if (!sent) return false;
  unsent_offset_ += *sent;
  if (unsent_offset_ == unsent_.size()) {
    unsent_.clear();
    unsent_offset_ = 0;
    if (unsent_.capacity() > kKeepCapacity) unsent_.shrink_to_fit();
  }
  return true;
}

void TlsStream::SayGoodbye() {
  ERR_clear_error();
  SSL_shutdown(ssl_);
}

}  // namespace baton::net
