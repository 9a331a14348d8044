#include "net/tls_handshakes.h"

#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "net/tls_stream.h"

namespace baton::net {
namespace {

constexpr absl::Duration kReportEvery = absl::Seconds(10);
constexpr size_t kPlainBytes = 256 * 1024;
static_assert(kPlainBytes >= TlsStream::kRoomBytes);

}  // namespace

TlsHandshakes::Ticket TlsHandshakes::Enter(Party* party) {
  if (parties_.size() >= limits_.max_tls_handshakes && !parties_.empty()) {
    auto oldest = parties_.extract(parties_.begin());
    ReportFailure("more handshakes at once than the limit, the oldest ends");
    oldest.mapped().party->OnHandshakeExpired();
  }
  parties_.emplace(++last_ticket_, Waiting{party, loop_.now() + limits_.tls_handshake_timeout});
  ArmTimer();
  return last_ticket_;
}

void TlsHandshakes::Leave(Ticket ticket) {
  parties_.erase(ticket);
  if (parties_.empty() && timer_ != 0) loop_.Cancel(std::exchange(timer_, 0));
}

// One timer for all: they expire in the order they came in.
void TlsHandshakes::ArmTimer() {
  if (timer_ != 0 || parties_.empty()) return;
  timer_ = loop_.RunAt(parties_.begin()->second.until, [this] {
    timer_ = 0;
    Expire();
    ArmTimer();
  });
}

void TlsHandshakes::Expire() {
  while (!parties_.empty() && parties_.begin()->second.until <= loop_.now()) {
    auto oldest = parties_.extract(parties_.begin());
    ReportFailure("the peer did not finish it in time");
    oldest.mapped().party->OnHandshakeExpired();
  }
}

void TlsHandshakes::CountStep() {
  if (steps_++ == 0) loop_.AtTurnEnd([this] { steps_ = 0; });
}

void TlsHandshakes::ReportFailure(std::string_view reason) {
  ++failures_;
  if (loop_.now() < next_report_) return;
  next_report_ = loop_.now() + kReportEvery;
  const uint64_t others = std::exchange(failures_, 0) - 1;
  base::LogWarning(others == 0 ? base::StrCat("a TLS connection failed: ", reason)
                               : base::StrCat("a TLS connection failed: ", reason, " (and ", others,
                                              " more since the last such line)"));
}

std::vector<char>& TlsHandshakes::plain() {
  if (plain_.empty()) plain_.resize(kPlainBytes);
  return plain_;
}

}  // namespace baton::net
