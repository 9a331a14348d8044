#include "net/tls.h"

#include "base/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "net/tls_testing.h"

namespace baton::net {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TlsSettings SettingsOf(const TestIdentity& identity) {
  return {.server_key = identity.key_pem(), .server_cert = identity.certificate_pem()};
}

TEST(TlsContextTest, NamesTheFieldAndWhatIsWrongWithIt) {
  const auto authority = TestIdentity::Authority("ca");
  const auto one = authority.Issue("one");
  const auto other = authority.Issue("other");
  const std::string key = one.key_pem();
  const std::string cert = one.certificate_pem();
  std::string broken = cert;
  broken.replace(100, 8, "????????");
  const struct {
    const char* text;
    TlsSettings settings;
    const char* error;
  } rows[] = {
      {"no key", {.server_cert = cert}, "server_key is empty"},
      {"no certificate", {.server_key = key}, "server_cert is empty"},
      {"letters", {.server_key = "a", .server_cert = "b"}, "server_key holds no PEM block"},
      {"a path", {.server_key = key, .server_cert = "/etc/cert.pem"}, "server_cert holds no PEM"},
      {"exchanged", {.server_key = cert, .server_cert = key}, "server_key is no private key"},
      {"key in both", {.server_key = key, .server_cert = key}, "server_cert holds no certificate"},
      {"broken base64", {.server_key = key, .server_cert = broken}, "server_cert has a broken"},
      {"broken second",
       {.server_key = key, .server_cert = cert + broken},
       "server_cert has a broken certificate after 1 good"},
      {"other's key",
       {.server_key = other.key_pem(), .server_cert = cert},
       "server_key does not belong to the first certificate of server_cert"},
      {"passphrase",
       {.server_key = one.key_pem("secret"), .server_cert = cert},
       "server_key is protected by a passphrase"},
      {"authority",
       {.server_key = key, .server_cert = cert, .custom_ca = "x", .client_verify = true},
       "custom_ca holds no PEM block"},
  };
  for (const auto& row : rows) {
    const auto made = TlsContext::Create(row.settings);
    ASSERT_FALSE(made.ok()) << row.text;
    EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument) << row.text;
    EXPECT_THAT(std::string(base::Message(made.status())), StartsWith(row.error)) << row.text;
  }
}

TEST(TlsContextTest, TakesWhatTensorFlowServingTakes) {
  const auto authority = TestIdentity::Authority("ca");
  const auto intermediate = TestIdentity::Make("between", {.is_authority = true}, &authority);
  const auto leaf = intermediate.Issue("leaf");
  const auto rsa = TestIdentity::Make("rsa", {.key_type = "RSA"}, &authority);
  const auto small = TestIdentity::Make("small", {.key_type = "RSA", .rsa_bits = 1024}, &authority);
  const auto expired = TestIdentity::Make("expired", {.days = -1}, &authority);
  TlsSettings chain = SettingsOf(leaf);
  chain.server_cert += "comments between are fine\n" + intermediate.certificate_pem();
  TlsSettings clients = SettingsOf(leaf);
  clients.client_verify = true;
  clients.custom_ca = authority.certificate_pem() + intermediate.certificate_pem();
  TlsSettings unused_ca = SettingsOf(leaf);
  unused_ca.custom_ca = "never read";
  TlsSettings system = SettingsOf(leaf);
  system.client_verify = true;
  for (const TlsSettings& settings : {chain, clients, unused_ca, system, SettingsOf(rsa),
                                      SettingsOf(small), SettingsOf(expired)}) {
    EXPECT_TRUE(TlsContext::Create(settings).ok()) << TlsContext::Create(settings).status();
  }
}

TEST(TlsContextTest, TellsWhoseCertificateItIsAndUntilWhen) {
  const auto made = TlsContext::Create(SettingsOf(TestIdentity::Make("models.example", {})));
  ASSERT_TRUE(made.ok());
  EXPECT_EQ((*made)->subject(), "CN=models.example");
  EXPECT_GT((*made)->expires(), absl::Now() + absl::Hours(23));
  EXPECT_LT((*made)->expires(), absl::Now() + absl::Hours(25));
}

}  // namespace
}  // namespace baton::net
