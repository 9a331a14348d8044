#include "net/server.h"

#include <algorithm>
#include <atomic>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "net/connection_socket.h"
#include "net/event_loop.h"
#include "net/server_listener.h"

namespace baton::net {
namespace {

// How many connections there are, and whom to tell when one or the last is gone.
//
// Threads: thread-safe. Owner: Server::State.
class Census {
 public:
  void Enter() {
    base::MutexLock lock(mutex_);
    ++count_;
  }

  void Leave() {
    absl::AnyInvocable<void()> done;
    {
      base::MutexLock lock(mutex_);
      if (--count_ == 0) {
        done = std::exchange(when_empty_, nullptr);
      }
    }
    if (done != nullptr) {
      done();
    }
  }

  // Runs `done` now or when the last one leaves.
  void WhenEmpty(absl::AnyInvocable<void()> done) {
    {
      base::MutexLock lock(mutex_);
      if (count_ > 0) {
        when_empty_ = std::move(done);
        return;
      }
    }
    done();
  }

  size_t count() const {
    base::MutexLock lock(mutex_);
    return count_;
  }

 private:
  mutable base::Mutex mutex_;
  size_t count_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::AnyInvocable<void()> when_empty_ ABSL_GUARDED_BY(mutex_);
};

// One loop and its connections.
//
// Threads: confined to its loop, but for load(), Start and Stop. Owner: Server::State.
class Worker final : public ConnectionOwner {
 public:
  // `left` runs after every connection that is gone.
  Worker(int index, const Limits& limits, absl::AnyInvocable<void()> left)
      : limits_(limits), left_(std::move(left)), loop_(index), handshakes_(&loop_, &limits) {}

  EventLoop& loop() override { return loop_; }
  const Limits& limits() const override { return limits_; }
  std::vector<char>& read_buffer() override { return read_buffer_; }
  TlsHandshakes& handshakes() override { return handshakes_; }

  // Connections on this loop and on their way to it; counted by the accepting loop.
  size_t load() const { return load_.load(std::memory_order_relaxed); }
  void Expect() { load_.fetch_add(1, std::memory_order_relaxed); }

  void Adopt(OwnedFd fd, const Terms& terms) {
    if (read_buffer_.empty()) {
      read_buffer_.resize(Connection::kReadBufferBytes);
    }
    auto made = std::make_unique<Connection>(this, fd.Release(), terms);
    Connection* const connection = made.get();
    connections_.emplace(connection, std::move(made));
    connection->Start();
    if (is_draining_) {
      connection->StartDrain();
    }
  }

  void StartDrain() {
    is_draining_ = true;
    for (Connection* connection : All()) {
      connection->StartDrain();
    }
  }

  void CloseAll() {
    for (Connection* connection : All()) {
      connection->Close();
    }
  }

  void OnClosed(Connection* connection) override {
    auto node = connections_.extract(connection);
    BATON_CHECK(!node.empty());
    // Its own functions, or hooks it asked for, may still be on the stack.
    loop_.AtTurnEnd([gone = std::move(node.mapped())] {});
    load_.fetch_sub(1, std::memory_order_relaxed);
    left_();
  }

 private:
  // Connections may leave while they are walked over, but are not destroyed before the end of the
  // turn.
  std::vector<Connection*> All() const {
    std::vector<Connection*> all;
    all.reserve(connections_.size());
    for (const auto& [connection, owned] : connections_) {
      all.push_back(connection);
    }
    return all;
  }

  const Limits& limits_;
  absl::AnyInvocable<void()> left_;
  std::atomic<size_t> load_{0};
  bool is_draining_ = false;
  std::vector<char> read_buffer_;
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
  EventLoop loop_;
  TlsHandshakes handshakes_;
};

}  // namespace

// Listeners live on the first loop.
class Server::State {
 public:
  explicit State(ServerOptions options) : options_(std::move(options)) {
    for (int i = 0; i < options_.loops; ++i) {
      workers_.push_back(
          std::make_unique<Worker>(i, options_.limits, [this] { OnConnectionLeft(); }));
    }
  }

  absl::StatusOr<uint16_t> Listen(const Endpoint& endpoint, RequestHandler* handler) {
    BATON_ASSIGN_OR_RETURN(BoundSocket bound, BindSocket(endpoint));
    const uint16_t port = bound.port;
    auto listener = std::make_unique<Listener>(std::move(bound),
                                               Terms{endpoint.protocol, handler, endpoint.tls});
    first_loop().Post([this, listener = std::move(listener)]() mutable {
      if (is_draining_) {
        return;
      }
      Listener* const added = listeners_.emplace_back(std::move(listener)).get();
      added->Start(&first_loop(),
                   [this, added](OwnedFd fd) { return HandOut(*added, std::move(fd)); });
    });
    return port;
  }

  void Start() {
    for (auto& worker : workers_) {
      worker->loop().Start();
    }
  }

  void StartDrain(absl::AnyInvocable<void()> done) {
    first_loop().Post([this, done = std::move(done)]() mutable {
      CloseListeners();
      for (auto& worker : workers_) {
        worker->loop().Post([&worker = *worker] { worker.StartDrain(); });
      }
      // Every connection has been counted when it was accepted, and none is accepted any more.
      census_.WhenEmpty(std::move(done));
    });
  }

  void Stop() {
    // The first loop goes first: after it nobody hands out connections.
    for (auto& worker : workers_) {
      worker->loop().Post([this, &worker = *worker] {
        if (&worker == workers_.front().get()) {
          CloseListeners();
        }
        worker.CloseAll();
      });
      worker->loop().Stop();
    }
  }

  size_t connections() const { return census_.count(); }
  const ServerOptions& options() const { return options_; }

 private:
  EventLoop& first_loop() { return workers_.front()->loop(); }

  bool HandOut(const Listener& listener, OwnedFd fd) {
    Worker& worker =
        **std::min_element(workers_.begin(), workers_.end(),
                           [](const auto& a, const auto& b) { return a->load() < b->load(); });
    worker.Expect();
    census_.Enter();
    if (worker.loop().IsInLoopThread()) {
      worker.Adopt(std::move(fd), listener.terms());
    } else {
      worker.loop().Post([&worker, fd = std::move(fd), terms = listener.terms()]() mutable {
        worker.Adopt(std::move(fd), terms);
      });
    }
    return MayAcceptMore();
  }

  bool MayAcceptMore() {
    if (census_.count() < options_.limits.max_connections) {
      return true;
    }
    is_full_.store(true);
    // One may have left between the two lines above, and seen no need to say so.
    return census_.count() < options_.limits.max_connections;
  }

  // On any loop.
  void OnConnectionLeft() {
    census_.Leave();
    if (is_full_.load() && is_full_.exchange(false)) {
      first_loop().Post([this] {
        for (auto& listener : listeners_) {
          listener->Resume();
        }
      });
    }
  }

  void CloseListeners() {
    is_draining_ = true;
    for (auto& listener : listeners_) {
      listener->Close();
    }
    listeners_.clear();
  }

  const ServerOptions options_;
  Census census_;
  std::atomic<bool> is_full_{false};
  // On the first loop.
  bool is_draining_ = false;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

absl::StatusOr<std::unique_ptr<Server>> Server::Create(ServerOptions options) {
  if (options.loops < 1 || options.loops > 1024) {
    return absl::InvalidArgumentError("a server needs 1 to 1024 event loops");
  }
  return std::unique_ptr<Server>(new Server(std::make_unique<State>(std::move(options))));
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}
Server::~Server() { Stop(); }

absl::StatusOr<uint16_t> Server::Listen(const Endpoint& endpoint, RequestHandler* handler) {
  return state_->Listen(endpoint, handler);
}
void Server::Start() { state_->Start(); }
void Server::StartDrain(absl::AnyInvocable<void()> done) { state_->StartDrain(std::move(done)); }
void Server::Stop() { state_->Stop(); }
size_t Server::connections() const { return state_->connections(); }
const ServerOptions& Server::options() const { return state_->options(); }

}  // namespace baton::net
