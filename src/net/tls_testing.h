#pragma once

// For tests only: certificates made on the spot, and a blocking TLS client.

#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace baton::net {

// A key and its certificate, both as PEM and ready to sign others.
class TestIdentity {
 public:
  struct Options {
    std::string key_type = "EC";  // or "RSA"
    int rsa_bits = 2048;
    bool is_authority = false;
    int days = 1;  // negative: expired
  };

  // Signed by `issuer`, or by itself.
  static TestIdentity Make(const std::string& name, const Options& options,
                           const TestIdentity* issuer = nullptr) {
    TestIdentity made;
    made.key_.reset(options.key_type == "RSA"
                        ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t(options.rsa_bits))
                        : EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
    X509* certificate = X509_new();
    made.certificate_.reset(certificate);
    X509_set_version(certificate, 2);
    static int serial = 0;
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -10L * 86400);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400L * options.days);
    X509_NAME* subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(certificate, issuer == nullptr
                                          ? subject
                                          : X509_get_subject_name(issuer->certificate_.get()));
    X509_set_pubkey(certificate, made.key_.get());
    Extend(certificate, NID_basic_constraints,
           options.is_authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (!options.is_authority) Extend(certificate, NID_subject_alt_name, "DNS:localhost");
    X509_sign(certificate, issuer == nullptr ? made.key_.get() : issuer->key_.get(), EVP_sha256());
    return made;
  }
  static TestIdentity Authority(const std::string& name) {
    return Make(name, {.is_authority = true});
  }
  TestIdentity Issue(const std::string& name) const { return Make(name, {}, this); }

  std::string key_pem(const char* passphrase = nullptr) const {
    return Text([&](BIO* out) {
      PEM_write_bio_PrivateKey(out, key_.get(), passphrase == nullptr ? nullptr : EVP_aes_128_cbc(),
                               nullptr, 0, nullptr, const_cast<char*>(passphrase));
    });
  }
  std::string certificate_pem() const {
    return Text([&](BIO* out) { PEM_write_bio_X509(out, certificate_.get()); });
  }
  EVP_PKEY* key() const { return key_.get(); }
  X509* certificate() const { return certificate_.get(); }

 private:
  static void Extend(X509* certificate, int nid, const char* value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  template <typename Print>
  static std::string Text(Print print) {
    BIO* out = BIO_new(BIO_s_mem());
    print(out);
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(out, &bytes);
    std::string text(bytes, static_cast<size_t>(size));
    BIO_free(out);
    return text;
  }

  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_{nullptr, &EVP_PKEY_free};
  std::unique_ptr<X509, decltype(&X509_free)> certificate_{nullptr, &X509_free};
};

// One blocking connection. What fails leaves error() behind.
class TlsTestClient {
 public:
  struct Options {
    const TestIdentity* trusts = nullptr;    // null: anybody
    const TestIdentity* identity = nullptr;  // null: shows none
    std::string alpn = {};                   // "h2"; empty: offers none
    int max_version = 0;
    size_t send_bytes = 1 << 20;  // at once, so that a handshake arrives in pieces
  };

  TlsTestClient(uint16_t port, const Options& options) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    Connect(&address, sizeof(address), options);
  }
  TlsTestClient(const std::string& path, const Options& options)
      : fd_(socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, path.size());
    Connect(&address, sizeof(address), options);
  }
  ~TlsTestClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
    if (fd_ >= 0) close(fd_);
  }
  TlsTestClient(const TlsTestClient&) = delete;

  // The client's half of the handshake; with TLS 1.3 the server may still refuse.
  bool Shake() {
    for (;;) {
      const int code = SSL_do_handshake(ssl_);
      if (!SendWaiting()) return Fail("send");
      if (code == 1) return true;
      if (SSL_get_error(ssl_, code) != SSL_ERROR_WANT_READ) return Fail(Reason());
      if (!Receive()) return Fail("closed");
    }
  }
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::string_view part = bytes.substr(0, 1 << 20);
      if (SSL_write(ssl_, part.data(), static_cast<int>(part.size())) <= 0) return Fail(Reason());
      if (!SendWaiting()) return Fail("send");
      bytes.remove_prefix(part.size());
    }
    return true;
  }
  // Until `end` was read (or `bytes` bytes were), or the connection is over.
  std::string ReadUntil(std::string_view end, size_t bytes = ~size_t{0}) {
    std::string all;
    std::string block(65536, '\0');
    while ((end.empty() || !all.ends_with(end)) && all.size() < bytes) {
      const int count = SSL_read(ssl_, block.data(), static_cast<int>(block.size()));
      if (count > 0) {
        all.append(block, 0, static_cast<size_t>(count));
        continue;
      }
      const int error = SSL_get_error(ssl_, count);
      if (error == SSL_ERROR_ZERO_RETURN) ended_cleanly_ = true;
      if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_ZERO_RETURN) Fail(Reason());
      if (error != SSL_ERROR_WANT_READ || !Receive()) return all;
    }
    return all;
  }
  std::string ReadAll() { return ReadUntil(""); }
  void SayGoodbye() {
    SSL_shutdown(ssl_);
    SendWaiting();
  }

  const std::string& error() const { return error_; }
  bool ended_cleanly() const { return ended_cleanly_; }  // by close_notify
  SSL* ssl() const { return ssl_; }
  std::string server_name() const {
    X509* certificate = SSL_get0_peer_certificate(ssl_);
    if (certificate == nullptr) return "";
    char name[256] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, 256);
    return name;
  }

 private:
  void Connect(const void* address, socklen_t size, const Options& options) {
    if (connect(fd_, static_cast<const sockaddr*>(address), size) != 0) Fail("connect");
    send_bytes_ = options.send_bytes;
    context_ = SSL_CTX_new(TLS_client_method());
    if (options.max_version != 0) SSL_CTX_set_max_proto_version(context_, options.max_version);
    SSL_CTX_set_min_proto_version(context_, TLS1_VERSION);
    SSL_CTX_set_security_level(context_, 0);
    if (options.trusts != nullptr) {
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context_), options.trusts->certificate());
      SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
    }
    if (options.identity != nullptr) {
      SSL_CTX_use_certificate(context_, options.identity->certificate());
      SSL_CTX_use_PrivateKey(context_, options.identity->key());
    }
    ssl_ = SSL_new(context_);
    if (!options.alpn.empty()) {
      const std::string list = static_cast<char>(options.alpn.size()) + options.alpn;
      SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(list.data()),
                          static_cast<unsigned>(list.size()));
    }
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_, in_, out_);
    SSL_set_connect_state(ssl_);
  }
  bool SendWaiting() {
    char* bytes = nullptr;
    std::string_view left;
    const long size = BIO_get_mem_data(out_, &bytes);
    left = {bytes, static_cast<size_t>(size)};
    while (!left.empty()) {
      const ssize_t sent = send(fd_, left.data(), std::min(left.size(), send_bytes_), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      left.remove_prefix(static_cast<size_t>(sent));
    }
    (void)BIO_reset(out_);
    return true;
  }
  bool Receive() {
    std::string block(65536, '\0');
    const ssize_t count = recv(fd_, block.data(), block.size(), 0);
    if (count <= 0) return false;
    BIO_write(in_, block.data(), static_cast<int>(count));
    return true;
  }
  static std::string Reason() {
    const unsigned long error = ERR_get_error();
    ERR_clear_error();
    const char* reason = error == 0 ? nullptr : ERR_reason_error_string(error);
    return reason == nullptr ? "closed" : reason;
  }
  bool Fail(std::string what) {
    if (error_.empty()) error_ = std::move(what);
    return false;
  }

  int fd_;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  BIO* in_ = nullptr;
  BIO* out_ = nullptr;
  size_t send_bytes_ = 1 << 20;
  bool ended_cleanly_ = false;
  std::string error_;
};

}  // namespace baton::net
