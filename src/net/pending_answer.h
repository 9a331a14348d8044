#pragma once

#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "net/event_loop.h"
#include "net/exchange.h"

namespace baton::net {

// Answers an exchange exactly once: with what the work brings, or with what `expired` makes at the
// deadline, whichever comes first. Whoever loses is dropped.
//
// Threads: created on the exchange's loop thread; Respond from any thread. Owner: shared by the
// work under way and the loop's timer. Errors: none.
class PendingAnswer : public std::enable_shared_from_this<PendingAnswer> {
 public:
  // `abandoned` runs on the loop thread when nobody waits for the work any more: the peer went
  // away, or the deadline answered. `expired` makes the deadline's answer.
  static std::shared_ptr<PendingAnswer> Create(ExchangePtr exchange, absl::Time deadline,
                                               absl::AnyInvocable<Response()> expired,
                                               absl::AnyInvocable<void()> abandoned) {
    std::shared_ptr<PendingAnswer> pending(
        new PendingAnswer(std::move(exchange), deadline, std::move(expired), std::move(abandoned)));
    pending->exchange_->OnCancel([weak = std::weak_ptr<PendingAnswer>(pending)] {
      if (auto self = weak.lock()) self->Abandon();
    });
    return pending;
  }

  const Request& request() const { return exchange_->request(); }
  // Runs `work` on the exchange's loop thread, later. Any thread.
  void Post(absl::AnyInvocable<void()> work) { exchange_->loop().Post(std::move(work)); }

  void Respond(Response response) {
    if (exchange_->loop().IsInLoopThread()) {
      RespondOnLoop(std::move(response));
      return;
    }
    exchange_->loop().Post([self = shared_from_this(), response = std::move(response)]() mutable {
      self->RespondOnLoop(std::move(response));
    });
  }

  // Starts the deadline's timer unless the answer is already there; loop thread. Called after the
  // work was begun, so that work done at once costs no timer.
  void ArmDeadline() {
    if (answered_ || deadline_ == absl::InfiniteFuture()) return;
    timer_ = exchange_->loop().RunAt(deadline_, [weak = weak_from_this()] {
      auto self = weak.lock();
      if (self == nullptr || self->answered_) return;
      self->timer_ = 0;
      Response response = self->expired_();
      self->Abandon();
      self->RespondOnLoop(std::move(response));
    });
  }

 private:
  PendingAnswer(ExchangePtr exchange, absl::Time deadline, absl::AnyInvocable<Response()> expired,
                absl::AnyInvocable<void()> abandoned)
      : exchange_(std::move(exchange)),
        deadline_(deadline),
        expired_(std::move(expired)),
        abandoned_(std::move(abandoned)) {}

  void RespondOnLoop(Response response) {
    if (answered_) return;
    answered_ = true;
    if (timer_ != 0) exchange_->loop().Cancel(timer_);
    timer_ = 0;
    exchange_->Respond(std::move(response));
  }

  void Abandon() {
    if (answered_ || abandoned_ == nullptr) return;
    std::exchange(abandoned_, nullptr)();
  }

  const ExchangePtr exchange_;
  const absl::Time deadline_;
  absl::AnyInvocable<Response()> expired_;
  absl::AnyInvocable<void()> abandoned_;
  EventLoop::TimerId timer_ = 0;  // 0: not armed
  bool answered_ = false;
};

}  // namespace baton::net
