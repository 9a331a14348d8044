#include "lifecycle/servable_manager.h"

#include <pthread.h>

#include <deque>
#include <optional>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "lifecycle/reconciler.h"

namespace baton::lifecycle {
namespace {

// The queue of the loop. Outlives the manager in the hands of loads and handles that do; then it
// drops what it gets.
class Mailbox {
 public:
  // False when closed; the closure is destroyed.
  bool Push(absl::AnyInvocable<void()> event) {
    {
      base::MutexLock lock(mutex_);
      if (is_closed_) return false;
      events_.push_back(std::move(event));
    }
    wake_.NotifyOne();
    return true;
  }

  // Waits for an event. Empty after `wait`, and when closed.
  absl::AnyInvocable<void()> Next(absl::Duration wait) {
    const absl::Time deadline =
        wait == absl::InfiniteDuration() ? absl::InfiniteFuture() : absl::Now() + wait;
    base::MutexLock lock(mutex_);
    while (events_.empty() && !is_closed_) {
      if (!wake_.WaitUntil(mutex_, deadline)) break;
    }
    if (events_.empty() || is_closed_) return nullptr;
    absl::AnyInvocable<void()> event = std::move(events_.front());
    events_.pop_front();
    return event;
  }

  void Close() {
    std::deque<absl::AnyInvocable<void()>> dropped;
    {
      base::MutexLock lock(mutex_);
      is_closed_ = true;
      dropped.swap(events_);
    }
    wake_.NotifyAll();
  }

  bool is_closed() {
    base::MutexLock lock(mutex_);
    return is_closed_;
  }

 private:
  base::Mutex mutex_;
  base::CondVar wake_;
  std::deque<absl::AnyInvocable<void()>> events_ ABSL_GUARDED_BY(mutex_);
  bool is_closed_ ABSL_GUARDED_BY(mutex_) = false;
};

// A status on its way from the loop to a waiting caller.
class Reply {
 public:
  void Set(absl::Status status) {
    base::MutexLock lock(mutex_);
    if (!status_.has_value()) status_ = std::move(status);
    set_.NotifyAll();
  }
  absl::Status Wait() {
    base::MutexLock lock(mutex_);
    while (!status_.has_value()) set_.Wait(mutex_);
    return *status_;
  }

 private:
  base::Mutex mutex_;
  base::CondVar set_;
  std::optional<absl::Status> status_ ABSL_GUARDED_BY(mutex_);
};

// Answers even when the closure that holds it is dropped.
class Answer {
 public:
  explicit Answer(std::shared_ptr<Reply> reply) : reply_(std::move(reply)) {}
  Answer(Answer&&) = default;
  ~Answer() {
    if (reply_ != nullptr) reply_->Set(absl::CancelledError("the server is stopping"));
  }
  void Set(absl::Status status) { reply_->Set(std::move(status)); }

 private:
  std::shared_ptr<Reply> reply_;
};

}  // namespace

class ServableManager::Loop {
 public:
  Loop(Options options, ServableFactory* factory, ServableRegistry* registry, StateMonitor* monitor,
       base::Executor* load_executor, base::Executor* reaper)
      : clock_(options.clock),
        reconciler_(options, factory, registry, monitor, load_executor, reaper,
                    [mailbox = mailbox_](absl::AnyInvocable<void()> event) {
                      mailbox->Push(std::move(event));
                    }),
        thread_([this] { Run(); }) {}

  void SetDesired(const std::string& name, std::vector<DesiredVersion> versions) {
    mailbox_->Push([this, name, versions = std::move(versions)] {
      // A source that still looks must not bring back what is being retired.
      if (!is_stopping_) reconciler_.SetDesired(name, versions);
    });
  }

  absl::Status Ask(absl::AnyInvocable<absl::Status()> question) {
    auto reply = std::make_shared<Reply>();
    mailbox_->Push([answer = Answer(reply), question = std::move(question)]() mutable {
      answer.Set(question());
    });
    return reply->Wait();
  }

  Reconciler& reconciler() { return reconciler_; }

  void Stop(absl::Time deadline) {
    base::MutexLock stop_lock(stop_mutex_);
    if (!thread_.joinable()) return;
    mailbox_->Push([this] {
      is_stopping_ = true;
      reconciler_.RetireAll();
    });
    {
      base::MutexLock lock(mutex_);
      while (!is_idle_ && idle_.WaitUntil(mutex_, deadline)) {
      }
    }
    mailbox_->Close();
    thread_.join();
  }

 private:
  void Run() {
    pthread_setname_np(pthread_self(), "versions");
    while (!mailbox_->is_closed()) {
      absl::Duration wait = reconciler_.NextTimer() - clock_->Now();
      if (absl::AnyInvocable<void()> event = mailbox_->Next(std::max(wait, absl::ZeroDuration()))) {
        event();
      }
      reconciler_.RunTimers();
      if (is_stopping_ && reconciler_.IsIdle()) {
        base::MutexLock lock(mutex_);
        is_idle_ = true;
        idle_.NotifyAll();
      }
    }
  }

  const base::Clock* const clock_;
  const std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  Reconciler reconciler_;     // loop thread only
  bool is_stopping_ = false;  // loop thread only
  base::Mutex stop_mutex_;
  base::Mutex mutex_;
  base::CondVar idle_;
  bool is_idle_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

ServableManager::ServableManager(Options options, ServableFactory* factory,
                                 ServableRegistry* registry, StateMonitor* monitor,
                                 base::Executor* load_executor, base::Executor* reaper)
    : loop_(std::make_unique<Loop>(options, factory, registry, monitor, load_executor, reaper)) {}

ServableManager::~ServableManager() { Stop(); }

void ServableManager::SetDesired(const std::string& name, std::vector<DesiredVersion> versions) {
  loop_->SetDesired(name, std::move(versions));
}

absl::Status ServableManager::CheckLabels(Labels labels, bool allow_unavailable) {
  return loop_->Ask([loop = loop_.get(), labels = std::move(labels), allow_unavailable] {
    return loop->reconciler().CheckLabels(labels, allow_unavailable);
  });
}

absl::Status ServableManager::SetLabels(Labels labels, bool allow_unavailable) {
  return loop_->Ask([loop = loop_.get(), labels = std::move(labels), allow_unavailable] {
    return loop->reconciler().SetLabels(labels, allow_unavailable);
  });
}

void ServableManager::Stop(absl::Time deadline) { loop_->Stop(deadline); }

}  // namespace baton::lifecycle
