#include "server/tls_config.h"

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "server/config_file.h"
#include "tensorflow_serving/config/ssl_config.pb.h"

namespace baton::server {
namespace {

// Tells one state of a file from another without reading it. All zero: there is none.
using Fingerprint = std::array<int64_t, 7>;

Fingerprint FingerprintOf(const std::string& path) {
  struct stat file {};
  if (stat(path.c_str(), &file) != 0) return {};
  return {static_cast<int64_t>(file.st_dev),          static_cast<int64_t>(file.st_ino),
          static_cast<int64_t>(file.st_size),         static_cast<int64_t>(file.st_mtim.tv_sec),
          static_cast<int64_t>(file.st_mtim.tv_nsec), static_cast<int64_t>(file.st_ctim.tv_sec),
          static_cast<int64_t>(file.st_ctim.tv_nsec)};
}

absl::StatusOr<net::TlsSettings> ReadSettings(const std::string& path) {
  tensorflow::serving::SSLConfig config;
  BATON_RETURN_IF_ERROR(ReadTextProto(path, &config));
  return net::TlsSettings{.server_key = config.server_key(),
                          .server_cert = config.server_cert(),
                          .custom_ca = config.custom_ca(),
                          .client_verify = config.client_verify()};
}

absl::StatusOr<std::shared_ptr<const net::TlsContext>> MakeContext(
    const std::string& path, const net::TlsSettings& settings) {
  auto made = net::TlsContext::Create(settings);
  if (!made.ok()) {
    return absl::Status(made.status().code(),
                        base::StrCat(path, ": ", base::Message(made.status())));
  }
  const net::TlsContext& context = **made;
  base::LogInfo(
      base::StrCat("Read ", path, ": certificate of ", context.subject(), ", valid until ",
                   absl::FormatTime(absl::RFC3339_sec, context.expires(), absl::UTCTimeZone())));
  if (context.expires() < absl::Now()) {
    base::LogWarning(base::StrCat(path, ": the certificate has expired, clients will refuse it"));
  }
  if (settings.client_verify && settings.custom_ca.empty()) {
    base::LogWarning(base::StrCat(
        path,
        ": client_verify without custom_ca lets in every client with a certificate of any "
        "authority this system trusts"));
  }
  return made;
}

}  // namespace

// Threads: its own; destruction waits for it.
class TlsFile::Poller {
 public:
  Poller(std::string path, Fingerprint read, absl::Duration every,
         std::shared_ptr<net::TlsCredentials> credentials)
      : path_(std::move(path)),
        every_(every),
        credentials_(std::move(credentials)),
        read_(read),
        thread_([this] { Run(); }) {}

  ~Poller() {
    {
      base::MutexLock lock(mutex_);
      stop_ = true;
    }
    wake_.NotifyAll();
    thread_.join();
  }

 private:
  void Run() {
    while (WaitForNext()) {
      const Fingerprint found = FingerprintOf(path_);
      if (found != read_) Read(found);
    }
  }

  // False: the end has come.
  bool WaitForNext() {
    const absl::Time next = absl::Now() + every_;
    base::MutexLock lock(mutex_);
    while (!stop_ && absl::Now() < next) wake_.WaitUntil(mutex_, next);
    return !stop_;
  }

  void Read(const Fingerprint& found) {
    const absl::Status status = [&]() -> absl::Status {
      BATON_ASSIGN_OR_RETURN(const net::TlsSettings settings, ReadSettings(path_));
      BATON_ASSIGN_OR_RETURN(auto context, MakeContext(path_, settings));
      credentials_->Replace(std::move(context));
      return absl::OkStatus();
    }();
    read_ = found;  // half a file will look different when it is whole
    if (!status.ok()) {
      base::LogError(base::StrCat("The certificates stay as they were: ", status.ToString()));
    }
  }

  const std::string path_;
  const absl::Duration every_;
  const std::shared_ptr<net::TlsCredentials> credentials_;
  Fingerprint read_;  // taken before the file was read, so that a later change shows
  base::Mutex mutex_;
  base::CondVar wake_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<TlsFile>> TlsFile::Open(std::string path, std::string refusal,
                                                       absl::Duration poll_every) {
  const Fingerprint before = FingerprintOf(path);
  BATON_ASSIGN_OR_RETURN(const net::TlsSettings settings, ReadSettings(path));
  auto context = MakeContext(path, settings);
  if (!context.ok()) {
    if (refusal.empty()) return context.status();
    base::LogError(base::Message(context.status()));
    return absl::InvalidArgumentError(refusal);
  }
  auto credentials = std::make_shared<net::TlsCredentials>(*std::move(context));
  auto poller = std::make_unique<Poller>(std::move(path), before, poll_every, credentials);
  return std::unique_ptr<TlsFile>(new TlsFile(std::move(credentials), std::move(poller)));
}

TlsFile::TlsFile(std::shared_ptr<net::TlsCredentials> credentials, std::unique_ptr<Poller> poller)
    : credentials_(std::move(credentials)), poller_(std::move(poller)) {}
TlsFile::~TlsFile() = default;

}  // namespace baton::server
