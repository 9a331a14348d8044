#include "server/tls_config.h"

#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/time/clock.h"
#include "base/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "net/tls_testing.h"

namespace baton::server {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// As a field of a text-format message.
std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '\n') {
      quoted += "\\n";
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

std::string ConfigOf(const net::TestIdentity& identity) {
  return "server_key: " + Quoted(identity.key_pem()) +
         " server_cert: " + Quoted(identity.certificate_pem());
}

class TlsFileTest : public ::testing::Test {
 protected:
  TlsFileTest() {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~TlsFileTest() override { fs::remove_all(folder_); }

  std::string Write(const std::string& name, std::string_view text) {
    std::ofstream(folder_ / name, std::ios::trunc) << text;
    return (folder_ / name).string();
  }
  // As a careful operator does: whole at once.
  void Replace(const std::string& name, std::string_view text) {
    Write(name + ".new", text);
    fs::rename(folder_ / (name + ".new"), folder_ / name);
  }
  std::unique_ptr<TlsFile> Open(const std::string& path) {
    auto opened = TlsFile::Open(path, "", absl::Milliseconds(1));
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }
  // Whether the next handshake will show `subject`, now or soon.
  bool Becomes(const TlsFile& file, std::string_view subject) {
    const absl::Time end = absl::Now() + absl::Seconds(20);
    while (absl::Now() < end) {
      if (file.credentials()->Current()->subject() == subject) return true;
      std::this_thread::yield();
    }
    return false;
  }

  const fs::path folder_ = fs::path(::testing::TempDir()) /
                           ::testing::UnitTest::GetInstance()->current_test_info()->name();
  const net::TestIdentity first_ = net::TestIdentity::Make("first", {});
  const net::TestIdentity second_ = net::TestIdentity::Make("second", {});
};

TEST_F(TlsFileTest, SaysWhatIsWrongInTheWordsOfTheContract) {
  const std::string empty = Write("empty", "");
  const std::string garbage = Write("garbage", "garbage");
  const std::string letters = Write("letters", R"(server_key: "a" server_cert: "b")");
  const std::string missing = (folder_ / "missing").string();
  const struct {
    std::string path;
    std::string refusal;
    absl::Status status;
  } rows[] = {
      {missing, "no", absl::NotFoundError(missing + "; No such file or directory")},
      {empty, "no", absl::InvalidArgumentError(empty + "; Invalid argument")},
      {garbage, "no", absl::InvalidArgumentError("Invalid protobuf file: '" + garbage + "'")},
      {letters, "Failed to BuildAndStart gRPC server",
       absl::InvalidArgumentError("Failed to BuildAndStart gRPC server")},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(TlsFile::Open(row.path, row.refusal).status(), row.status);
  }
  const absl::Status reason = TlsFile::Open(letters).status();
  EXPECT_THAT(std::string(base::Message(reason)),
              HasSubstr(letters + ": server_key holds no PEM block"));
}

TEST_F(TlsFileTest, ReadsEveryField) {
  const net::TestIdentity authority = net::TestIdentity::Authority("ca");
  EXPECT_TRUE(TlsFile::Open(Write("all", ConfigOf(first_) + " client_verify: true custom_ca: " +
                                             Quoted(authority.certificate_pem())))
                  .ok());
  const absl::Status reason =
      TlsFile::Open(Write("bad", ConfigOf(first_) + R"( client_verify: true custom_ca: "x")"))
          .status();
  EXPECT_THAT(std::string(base::Message(reason)), HasSubstr("custom_ca holds no PEM block"));
}

TEST_F(TlsFileTest, AChangedFileGivesTheNextCertificates) {
  const std::string path = Write("ssl", ConfigOf(first_));
  const auto file = Open(path);
  EXPECT_EQ(file->credentials()->Current()->subject(), "CN=first");
  Replace("ssl", ConfigOf(second_));
  EXPECT_TRUE(Becomes(*file, "CN=second"));
  Write("ssl", ConfigOf(first_));  // in place
  EXPECT_TRUE(Becomes(*file, "CN=first"));
}

TEST_F(TlsFileTest, ABadFileChangesNothingUntilItIsGood) {
  const std::string path = Write("ssl", ConfigOf(first_));
  const auto file = Open(path);
  const std::string other_key = net::TestIdentity::Make("x", {}).key_pem();
  for (const std::string& bad : {std::string("garbage"), std::string(),
                                 "server_key: " + Quoted(other_key) +
                                     " server_cert: " + Quoted(second_.certificate_pem())}) {
    ::testing::internal::CaptureStderr();
    Replace("ssl", bad);
    const absl::Time end = absl::Now() + absl::Seconds(20);
    std::string log;
    while (log.find("The certificates stay as they were") == log.npos && absl::Now() < end) {
      absl::SleepFor(absl::Milliseconds(5));
      log += ::testing::internal::GetCapturedStderr();
      ::testing::internal::CaptureStderr();
    }
    ::testing::internal::GetCapturedStderr();
    EXPECT_THAT(log, HasSubstr("The certificates stay as they were"));
    EXPECT_EQ(file->credentials()->Current()->subject(), "CN=first");
  }
  fs::remove(path);
  Replace("ssl", ConfigOf(second_));
  EXPECT_TRUE(Becomes(*file, "CN=second"));
}

// Kubernetes exchanges a whole folder behind two links.
TEST_F(TlsFileTest, AnExchangedLinkIsAChange) {
  for (const auto& [name, identity] : {std::pair("1", &first_), {"2", &second_}}) {
    fs::create_directory(folder_ / name);
    Write(std::string(name) + "/ssl", ConfigOf(*identity));
  }
  fs::create_directory_symlink("1", folder_ / "..data");
  fs::create_symlink("..data/ssl", folder_ / "ssl");
  const auto file = Open((folder_ / "ssl").string());
  EXPECT_EQ(file->credentials()->Current()->subject(), "CN=first");
  fs::create_directory_symlink("2", folder_ / "..new");
  fs::rename(folder_ / "..new", folder_ / "..data");
  EXPECT_TRUE(Becomes(*file, "CN=second"));
}

TEST_F(TlsFileTest, CredentialsOutliveTheFile) {
  auto file = Open(Write("ssl", ConfigOf(first_)));
  const auto credentials = file->credentials();
  file.reset();
  EXPECT_EQ(credentials->Current()->subject(), "CN=first");
}

}  // namespace
}  // namespace baton::server
