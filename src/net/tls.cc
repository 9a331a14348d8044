#include "net/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <ctime>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace baton::net {
namespace {

// Those gRPC offers, and ChaCha20 for peers without AES in hardware. HTTP/2 forbids the rest.
constexpr const char* kCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

// Tickets are only valid for listeners of the same name; ours never leave their context.
constexpr std::string_view kSessionContext = "baton";

// As BoringSSL, which TensorFlow Serving uses and which knows no such levels: keys it starts with
// start here.
constexpr int kSecurityLevel = 1;

using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free)>;
using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using CertificatePtr = std::unique_ptr<X509, decltype(&X509_free)>;

absl::Status Wrong(std::string_view field, std::string_view what) {
  return absl::InvalidArgumentError(base::StrCat(field, " ", what));
}

// The first of OpenSSL's reasons; its queue is empty afterwards.
std::string TakeReason() {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  const char* reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  return reason == nullptr ? "unknown error" : reason;
}

// Without this OpenSSL would ask the terminal.
int NoPassphrase(char*, int, int, void*) { return 0; }

BioPtr Open(const std::string& text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free};
}

absl::Status CheckText(std::string_view field, std::string_view text) {
  constexpr size_t kMaxBytes = 16 << 20;
  if (text.empty()) return Wrong(field, "is empty");
  if (text.size() > kMaxBytes) return Wrong(field, "is too large for PEM text");
  if (text.find("-----BEGIN") == text.npos) {
    return Wrong(field,
                 "holds no PEM block (\"-----BEGIN ...\"); the file takes the PEM text "
                 "itself, not the path of a file");
  }
  return absl::OkStatus();
}

absl::StatusOr<KeyPtr> ReadKey(std::string_view field, const std::string& text) {
  BATON_RETURN_IF_ERROR(CheckText(field, text));
  const BioPtr bio = Open(text);
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &NoPassphrase, nullptr), &EVP_PKEY_free);
  if (key == nullptr) {
    const bool is_encrypted = text.find("ENCRYPTED") != text.npos;
    return Wrong(field, is_encrypted
                            ? std::string("is protected by a passphrase, which nobody can give")
                            : base::StrCat("is no private key in PEM: ", TakeReason()));
  }
  return key;
}

// All certificates of a text, at least one.
absl::StatusOr<std::vector<CertificatePtr>> ReadCertificates(std::string_view field,
                                                             const std::string& text) {
  BATON_RETURN_IF_ERROR(CheckText(field, text));
  const BioPtr bio = Open(text);
  std::vector<CertificatePtr> certificates;
  while (X509* read = PEM_read_bio_X509(bio.get(), nullptr, &NoPassphrase, nullptr)) {
    certificates.emplace_back(read, &X509_free);
  }
  // The end of the text is an error to OpenSSL like any other.
  const bool is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string reason = TakeReason();
  if (!is_end) {
    return Wrong(field, base::StrCat("has a broken certificate after ", certificates.size(),
                                     " good: ", reason));
  }
  if (certificates.empty()) return Wrong(field, "holds no certificate");
  return certificates;
}

absl::Status UseKeyAndChain(SSL_CTX* context, const TlsSettings& settings) {
  BATON_ASSIGN_OR_RETURN(const KeyPtr key, ReadKey("server_key", settings.server_key));
  BATON_ASSIGN_OR_RETURN(const std::vector<CertificatePtr> chain,
                         ReadCertificates("server_cert", settings.server_cert));
  if (SSL_CTX_use_certificate(context, chain.front().get()) != 1) {
    return Wrong("server_cert", base::StrCat("cannot be used: ", TakeReason()));
  }
  if (X509_check_private_key(chain.front().get(), key.get()) != 1) {
    ERR_clear_error();
    return Wrong("server_key", "does not belong to the first certificate of server_cert");
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    return Wrong("server_key", base::StrCat("cannot be used: ", TakeReason()));
  }
  for (size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, chain[i].get()) != 1) {
      return Wrong("server_cert",
                   base::StrCat("certificate ", i + 1, " cannot be used: ", TakeReason()));
    }
  }
  return absl::OkStatus();
}

absl::Status TrustClientsOf(SSL_CTX* context, const TlsSettings& settings) {
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  if (settings.custom_ca.empty()) {
    SSL_CTX_set_default_verify_paths(context);
    return absl::OkStatus();
  }
  BATON_ASSIGN_OR_RETURN(const std::vector<CertificatePtr> authorities,
                         ReadCertificates("custom_ca", settings.custom_ca));
  for (const CertificatePtr& authority : authorities) {
    // The list that is sent helps clients with several certificates to choose.
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get()) != 1 ||
        SSL_CTX_add_client_CA(context, authority.get()) != 1) {
      return Wrong("custom_ca", base::StrCat("cannot be used: ", TakeReason()));
    }
  }
  return absl::OkStatus();
}

absl::Time EndOf(const X509& certificate) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(&certificate), &parts) != 1) return absl::InfiniteFuture();
  return absl::FromTM(parts, absl::UTCTimeZone());
}

std::string SubjectOf(const X509& certificate) {
  const BioPtr text(BIO_new(BIO_s_mem()), &BIO_free);
  X509_NAME_print_ex(text.get(), X509_get_subject_name(&certificate), 0,
                     XN_FLAG_ONELINE & ~XN_FLAG_SPC_EQ);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(text.get(), &bytes);
  return size > 0 ? std::string(bytes, static_cast<size_t>(size)) : "";
}

constexpr std::string_view kHttp1 = "http/1.1";
constexpr std::string_view kHttp2 = "h2";

// ALPN. `offered` is a list of names, each behind its length; OpenSSL has checked that it is one.
int ChooseProtocol(SSL* ssl, const unsigned char** chosen, unsigned char* chosen_size,
                   const unsigned char* offered, unsigned offered_size, void*) {
  const auto& wanted = *static_cast<const std::string_view*>(SSL_get_app_data(ssl));
  for (unsigned at = 0; at < offered_size; at += 1u + offered[at]) {
    if (wanted == std::string_view(reinterpret_cast<const char*>(offered) + at + 1, offered[at])) {
      *chosen = offered + at + 1;
      *chosen_size = offered[at];
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return wanted == kHttp2 ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
}

void SetPolicy(SSL_CTX* context) {
  SSL_CTX_set_security_level(context, kSecurityLevel);
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  // An idle connection keeps no record buffers.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  BATON_CHECK(SSL_CTX_set_cipher_list(context, kCiphers) == 1);
  // Sessions live in the tickets that clients hold, not in our memory.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_session_id_context(context,
                                 reinterpret_cast<const unsigned char*>(kSessionContext.data()),
                                 static_cast<unsigned>(kSessionContext.size()));
  SSL_CTX_set_alpn_select_cb(context, &ChooseProtocol, nullptr);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const TlsContext>> TlsContext::Create(const TlsSettings& settings) {
  ERR_clear_error();
  SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
  if (context == nullptr) return absl::InternalError(base::StrCat("OpenSSL: ", TakeReason()));
  std::shared_ptr<TlsContext> made(new TlsContext(context));
  SetPolicy(context);
  BATON_RETURN_IF_ERROR(UseKeyAndChain(context, settings));
  if (settings.client_verify) BATON_RETURN_IF_ERROR(TrustClientsOf(context, settings));
  const X509& certificate = *SSL_CTX_get0_certificate(context);
  made->subject_ = SubjectOf(certificate);
  made->expires_ = EndOf(certificate);
  return std::shared_ptr<const TlsContext>(std::move(made));
}

SSL* TlsContext::NewConnection(Protocol protocol) const {
  SSL* const ssl = SSL_new(context_);
  BATON_CHECK(ssl != nullptr);  // fails for want of memory only
  const std::string_view& wanted = protocol == Protocol::kHttp2 ? kHttp2 : kHttp1;
  SSL_set_app_data(ssl, const_cast<std::string_view*>(&wanted));
  SSL_set_accept_state(ssl);
  return ssl;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

}  // namespace baton::net
