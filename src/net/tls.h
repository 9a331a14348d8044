#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "net/exchange.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX
struct ssl_st;      // and SSL

namespace baton::net {

// Who a listener is and whom it lets in, as PEM texts; the fields of TensorFlow Serving's
// SSLConfig.
struct TlsSettings {
  std::string server_key = {};
  std::string server_cert =
      {};                      // the server's certificate first, then those that lead to its issuer
  std::string custom_ca = {};  // who signs clients' certificates; empty: the system's authorities
  bool client_verify = false;  // clients must show a certificate
};

// Settings that were checked and are ready for handshakes: TLS 1.2 and 1.3, the forward-secret AEAD
// ciphers of RFC 9113, no renegotiation.
//
// Threads: immutable, thread-safe. Owner: shared; every stream keeps what it needs of it. Errors:
// Create returns kInvalidArgument, naming the field and what is wrong with it.
class TlsContext {
 public:
  static absl::StatusOr<std::shared_ptr<const TlsContext>> Create(const TlsSettings& settings);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  // Of the server's certificate: "CN=models.example", and the end of its life.
  const std::string& subject() const { return subject_; }
  absl::Time expires() const { return expires_; }

  // For TlsStream, which owns it: OpenSSL's side of one connection that will speak `protocol`.
  // HTTP/2 must be agreed on by name (as gRPC insists), HTTP/1 need not.
  ssl_st* NewConnection(Protocol protocol) const;

 private:
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}

  ssl_ctx_st* const context_;
  std::string subject_;
  absl::Time expires_;
};

// What a listener's next handshake uses. Replaced while the server runs: handshakes that begin
// later see the new certificates, connections that are open stay as they are.
//
// Threads: thread-safe. Owner: shared by listeners and by whoever reads the files. Errors: none.
class TlsCredentials {
 public:
  explicit TlsCredentials(std::shared_ptr<const TlsContext> context)
      : context_(std::move(context)) {}

  void Replace(std::shared_ptr<const TlsContext> context) {
    base::MutexLock lock(mutex_);
    context_.swap(context);
  }
  std::shared_ptr<const TlsContext> Current() const {
    base::MutexLock lock(mutex_);
    return context_;
  }

 private:
  mutable base::Mutex mutex_;
  std::shared_ptr<const TlsContext> context_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton::net
