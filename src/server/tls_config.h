#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "net/tls.h"

namespace baton::server {

// The keys and certificates of one port: a text-format SSLConfig file (contract §10), looked at
// again every few seconds. When another file is found, its certificates are those of the next
// connections; a file that cannot be used is an error in the log, and the old ones stay. Symbolic
// links are followed, so a mounted Kubernetes secret that is exchanged is noticed as well.
//
// Threads: thread-safe; polls on its own. Owner: Server; the credentials may outlive it.
class TlsFile {
 public:
  static constexpr absl::Duration kPollEvery = absl::Seconds(2);

  // Errors: those of the file as contract §1.3 words them, then kInvalidArgument: `refusal` when
  // the certificates cannot be used, and why in the log; without `refusal` the reason itself.
  static absl::StatusOr<std::unique_ptr<TlsFile>> Open(std::string path, std::string refusal = "",
                                                       absl::Duration poll_every = kPollEvery);
  ~TlsFile();
  TlsFile(const TlsFile&) = delete;
  TlsFile& operator=(const TlsFile&) = delete;

  const std::shared_ptr<net::TlsCredentials>& credentials() const { return credentials_; }

 private:
  class Poller;
  TlsFile(std::shared_ptr<net::TlsCredentials> credentials, std::unique_ptr<Poller> poller);

  const std::shared_ptr<net::TlsCredentials> credentials_;
  const std::unique_ptr<Poller> poller_;
};

}  // namespace baton::server
