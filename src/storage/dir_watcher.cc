#include "storage/dir_watcher.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cstring>
#include <set>
#include <utility>
#include <vector>

namespace baton::storage {
namespace {

constexpr uint32_t kEvents = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF |
                             IN_MOVE_SELF | IN_ONLYDIR;
constexpr int kEveryWatch = -1;

}  // namespace

DirWatcher::DirWatcher()
    : inotify_fd_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
      stop_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (is_working() && stop_fd_ >= 0) {
    thread_ = std::thread([this] { Run(); });
  }
}

DirWatcher::~DirWatcher() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(stop_fd_, &one, sizeof(one));
    thread_.join();
  }
  if (inotify_fd_ >= 0) close(inotify_fd_);
  if (stop_fd_ >= 0) close(stop_fd_);
}

uint64_t DirWatcher::Subscribe(const std::string& path, absl::AnyInvocable<void()> changed) {
  if (!thread_.joinable()) return 0;
  base::MutexLock lock(mutex_);
  // The kernel answers the same watch for the same directory: several subscriptions may share one.
  const int watch = inotify_add_watch(inotify_fd_, path.c_str(), kEvents);
  if (watch < 0) return 0;
  const uint64_t id = next_id_++;
  subscriptions_[id] = {watch, std::make_shared<absl::AnyInvocable<void()>>(std::move(changed))};
  return id;
}

void DirWatcher::Unsubscribe(uint64_t id) {
  base::MutexLock lock(mutex_);
  const auto found = subscriptions_.find(id);
  if (found == subscriptions_.end()) return;
  const int watch = found->second.watch;
  subscriptions_.erase(found);
  bool is_shared = false;
  for (const auto& [other, subscription] : subscriptions_) {
    is_shared = is_shared || subscription.watch == watch;
  }
  if (!is_shared) inotify_rm_watch(inotify_fd_, watch);
  while (running_ == id) idle_.Wait(mutex_);
}

void DirWatcher::Run() {
  pthread_setname_np(pthread_self(), "dir-watcher");
  while (true) {
    pollfd fds[2] = {{inotify_fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR) return;
    if (fds[1].revents != 0) return;
    if (fds[0].revents != 0) Drain();
  }
}

void DirWatcher::Drain() {
  alignas(inotify_event) char bytes[16 * 1024];
  std::set<int> watches;
  ssize_t got;
  while ((got = read(inotify_fd_, bytes, sizeof(bytes))) > 0) {
    for (ssize_t at = 0; at < got;) {
      inotify_event event;
      std::memcpy(&event, bytes + at, sizeof(event));
      watches.insert((event.mask & IN_Q_OVERFLOW) != 0 ? kEveryWatch : event.wd);
      at += static_cast<ssize_t>(sizeof(event) + event.len);
    }
  }
  for (const int watch : watches) Notify(watch);
}

void DirWatcher::Notify(int watch) {
  std::vector<uint64_t> ids;
  {
    base::MutexLock lock(mutex_);
    for (const auto& [id, subscription] : subscriptions_) {
      if (watch == kEveryWatch || subscription.watch == watch) ids.push_back(id);
    }
  }
  for (const uint64_t id : ids) {
    std::shared_ptr<absl::AnyInvocable<void()>> changed;
    {
      base::MutexLock lock(mutex_);
      const auto found = subscriptions_.find(id);
      if (found == subscriptions_.end()) continue;
      changed = found->second.changed;
      running_ = id;
    }
    (*changed)();
    base::MutexLock lock(mutex_);
    running_ = 0;
    idle_.NotifyAll();
  }
}

}  // namespace baton::storage
