#include "scheduling/batching_scheduler.h"

#include <pthread.h>

#include <algorithm>
#include <deque>
#include <iterator>
#include <optional>
#include <utility>

#include "base/mutex.h"
#include "base/strings.h"

namespace baton::scheduling {
namespace {

// A full queue is searched for cancelled calls at most so often, so that refusing stays cheap.
constexpr absl::Duration kSweepInterval = absl::Milliseconds(100);
constexpr absl::Duration kLongestSleep = absl::Hours(1);

void Answer(std::vector<BatchTask> tasks, const absl::Status& status) {
  for (BatchTask& task : tasks) task.call.sink.Finish(status);
}

absl::Status Stopping(const std::string& name) {
  return absl::UnavailableError(base::StrCat(name, " takes no more requests: it is being stopped"));
}

}  // namespace

// Queues, and the state of every run. Shared, because a servable that is destroyed late, by a
// reaper that works on while the server comes down, still takes its queues off here.
//
// One of the idle threads, the watcher, sleeps until the first batch is ready by time; the others
// sleep until they are called. Invariant: whenever the mutex is free, every batch that is ready has
// a thread that is awake or called, or all threads are busy; and while a thread sleeps, somebody
// watches the earliest batch that is not ready yet.
class BatchingCore {
 public:
  using Lane = BatchQueueSet::Lane;

  explicit BatchingCore(const base::Clock* clock) : clock_(clock) {}

  // Answers what is queued, then waits for the runs.
  void Remove(BatchQueueSet* set) ABSL_LOCKS_EXCLUDED(mutex_);
  void Add(BatchQueueSet* set) ABSL_LOCKS_EXCLUDED(mutex_);
  // Takes `task` unless it returns an error.
  absl::Status Insert(BatchQueueSet& set, const BatchKey& key, BatchTask& task)
      ABSL_LOCKS_EXCLUDED(mutex_);

  void RunThread() ABSL_LOCKS_EXCLUDED(mutex_);
  bool RunReadyBatch() ABSL_LOCKS_EXCLUDED(mutex_);
  void StopThreads() ABSL_LOCKS_EXCLUDED(mutex_);
  void AnswerAll() ABSL_LOCKS_EXCLUDED(mutex_);

  struct Load {
    uint64_t queued_calls = 0;
    uint64_t queued_bytes = 0;
    uint32_t running_batches = 0;
  };
  Load load() const ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(mutex_);
    return load_;
  }

 private:
  struct Ready {
    BatchQueueSet* set = nullptr;
    Batch batch;
  };

  // nullptr when every queue of the set is in use and no more are allowed.
  Lane* FindLane(BatchQueueSet& set, const BatchKey& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status AddToLane(Lane& lane, BatchTask& task, absl::Time now,
                         std::vector<BatchTask>& cancelled) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeAll(BatchQueueSet& set, std::vector<BatchTask>& out)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Starts a run. *next: from when on the first of what remains may run.
  std::optional<Ready> TakeReady(absl::Time now, absl::Time* next)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // When the next batch of the lane may run; while the set's runs are at their limit nobody knows.
  static absl::Time ReadyAt(const Lane& lane);
  // Leaves the lock for the run.
  void Run(Ready ready) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void CallFor(absl::Time ready_at, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CallOne() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CallWatcher() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Sleep(absl::Time next, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Around changes of a lane's queue.
  void Subtract(const Lane& lane) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddUp(const Lane& lane) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const base::Clock* const clock_;
  mutable base::Mutex mutex_;
  std::vector<BatchQueueSet*> sets_ ABSL_GUARDED_BY(mutex_);
  std::deque<Lane*> turns_ ABSL_GUARDED_BY(mutex_);  // lanes with tasks; the first is next
  Load load_ ABSL_GUARDED_BY(mutex_);
  uint64_t uses_ ABSL_GUARDED_BY(mutex_) = 0;
  base::CondVar run_ended_;

  base::CondVar called_;
  uint32_t idle_ ABSL_GUARDED_BY(mutex_) = 0;   // asleep and not called
  uint32_t calls_ ABSL_GUARDED_BY(mutex_) = 0;  // that no sleeper has heard yet
  base::CondVar watch_over_;
  uint64_t watch_ ABSL_GUARDED_BY(mutex_) = 0;  // number of the current watch; 0: nobody watches
  uint64_t watches_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time watched_until_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

// --- BatchQueueSet

BatchQueueSet::BatchQueueSet(Options options, std::shared_ptr<BatchingCore> core)
    : options_(std::move(options)), core_(std::move(core)) {
  core_->Add(this);
}

BatchQueueSet::~BatchQueueSet() { core_->Remove(this); }

void BatchQueueSet::Submit(const BatchKey& key, BatchTask task) {
  absl::Status status = core_->Insert(*this, key, task);
  if (!status.ok()) task.call.sink.Finish(std::move(status));
}

// --- BatchingScheduler

BatchingScheduler::BatchingScheduler(Options options)
    : core_(std::make_shared<BatchingCore>(options.clock)) {
  threads_.reserve(options.threads);
  for (uint32_t i = 0; i < options.threads; ++i) {
    const std::string number = base::StrCat("-", i);
    const std::string name = options.thread_name.substr(0, 15 - number.size()) + number;
    threads_.emplace_back([core = core_.get(), name] {
      pthread_setname_np(pthread_self(), name.c_str());
      core->RunThread();
    });
  }
}

BatchingScheduler::~BatchingScheduler() { Stop(); }

void BatchingScheduler::Stop() {
  core_->StopThreads();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  core_->AnswerAll();
}

std::unique_ptr<BatchQueueSet> BatchingScheduler::NewQueues(BatchQueueSet::Options options) {
  // Private constructor.
  return std::unique_ptr<BatchQueueSet>(new BatchQueueSet(std::move(options), core_));
}

bool BatchingScheduler::RunReadyBatch() { return core_->RunReadyBatch(); }

uint64_t BatchingScheduler::queued_calls() const { return core_->load().queued_calls; }
uint64_t BatchingScheduler::queued_bytes() const { return core_->load().queued_bytes; }
uint32_t BatchingScheduler::running_batches() const { return core_->load().running_batches; }

// --- BatchingCore: from the outside

void BatchingCore::Add(BatchQueueSet* set) {
  base::MutexLock lock(mutex_);
  sets_.push_back(set);
}

void BatchingCore::Remove(BatchQueueSet* set) {
  std::vector<BatchTask> removed;
  {
    base::MutexLock lock(mutex_);
    TakeAll(*set, removed);
    std::erase(sets_, set);
  }
  Answer(std::move(removed), Stopping(set->options_.name));
  base::MutexLock lock(mutex_);
  while (set->running_ > 0) run_ended_.Wait(mutex_);
}

absl::Status BatchingCore::Insert(BatchQueueSet& set, const BatchKey& key, BatchTask& task) {
  const absl::Time now = clock_->Now();
  task.enqueued = now;
  std::vector<BatchTask> cancelled;
  absl::Status status;
  {
    base::MutexLock lock(mutex_);
    if (stopping_) return Stopping(set.options_.name);
    Lane* lane = FindLane(set, key);
    if (lane == nullptr) {
      return absl::UnavailableError(base::StrCat(
          set.options_.name, ": requests for too many different sets of inputs and outputs wait, ",
          "the limit is ", set.options_.max_queues));
    }
    status = AddToLane(*lane, task, now, cancelled);
  }
  Answer(std::move(cancelled), absl::CancelledError("the caller has given up"));
  return status;
}

auto BatchingCore::FindLane(BatchQueueSet& set, const BatchKey& key) -> Lane* {
  auto at = set.lanes_.find(key);
  if (at == set.lanes_.end()) {
    if (set.lanes_.size() >= set.options_.max_queues) {
      auto oldest = set.lanes_.end();
      for (auto it = set.lanes_.begin(); it != set.lanes_.end(); ++it) {
        if (!it->second.queue.empty()) continue;
        if (oldest == set.lanes_.end() || it->second.last_used < oldest->second.last_used) {
          oldest = it;
        }
      }
      if (oldest == set.lanes_.end()) return nullptr;
      set.lanes_.erase(oldest);
    }
    at = set.lanes_.emplace(key, Lane{.set = &set, .queue = BatchingQueue(set.options_.limits)})
             .first;
  }
  at->second.last_used = ++uses_;
  return &at->second;
}

absl::Status BatchingCore::AddToLane(Lane& lane, BatchTask& task, absl::Time now,
                                     std::vector<BatchTask>& cancelled) {
  const bool was_idle = lane.queue.empty();
  const absl::Time was_ready_at = ReadyAt(lane);
  Subtract(lane);
  absl::Status status = lane.queue.Add(task, now);
  if (absl::IsUnavailable(status) && now - lane.last_sweep >= kSweepInterval) {
    lane.last_sweep = now;
    cancelled = lane.queue.TakeCancelled();
    if (!cancelled.empty()) status = lane.queue.Add(task, now);
  }
  AddUp(lane);
  if (lane.queue.empty() != was_idle) {
    if (was_idle) {
      turns_.push_back(&lane);
    } else {
      std::erase(turns_, &lane);
    }
  }
  // Whoever was called for what was ready before is on the way, and calls others for the rest.
  const absl::Time ready_at = ReadyAt(lane);
  if (ready_at < was_ready_at) CallFor(ready_at, now);
  return status;
}

void BatchingCore::StopThreads() {
  base::MutexLock lock(mutex_);
  stopping_ = true;
  called_.NotifyAll();
  watch_over_.NotifyAll();
}

void BatchingCore::AnswerAll() {
  std::vector<std::pair<std::vector<BatchTask>, absl::Status>> removed;
  {
    base::MutexLock lock(mutex_);
    for (BatchQueueSet* set : sets_) {
      removed.emplace_back(std::vector<BatchTask>(), Stopping(set->options_.name));
      TakeAll(*set, removed.back().first);
    }
  }
  for (auto& [tasks, status] : removed) Answer(std::move(tasks), status);
}

void BatchingCore::TakeAll(BatchQueueSet& set, std::vector<BatchTask>& out) {
  for (auto& [key, lane] : set.lanes_) {
    if (lane.queue.empty()) continue;
    Subtract(lane);
    std::vector<BatchTask> tasks = lane.queue.TakeAll();
    std::move(tasks.begin(), tasks.end(), std::back_inserter(out));
    AddUp(lane);
    std::erase(turns_, &lane);
  }
}

void BatchingCore::Subtract(const Lane& lane) {
  load_.queued_calls -= lane.queue.tasks();
  load_.queued_bytes -= lane.queue.bytes();
}

void BatchingCore::AddUp(const Lane& lane) {
  load_.queued_calls += lane.queue.tasks();
  load_.queued_bytes += lane.queue.bytes();
}

// --- BatchingCore: the threads

void BatchingCore::RunThread() {
  mutex_.Lock();
  while (!stopping_) {
    const absl::Time now = clock_->Now();
    absl::Time next;
    if (std::optional<Ready> ready = TakeReady(now, &next)) {
      // This thread will be away. Whoever is called already looks at everything.
      if (calls_ == 0) CallFor(next, now);
      Run(*std::move(ready));
    } else {
      Sleep(next, now);
    }
  }
  mutex_.Unlock();
}

bool BatchingCore::RunReadyBatch() {
  base::MutexLock lock(mutex_);
  absl::Time next;
  std::optional<Ready> ready = TakeReady(clock_->Now(), &next);
  if (!ready) return false;
  Run(*std::move(ready));
  return true;
}

auto BatchingCore::TakeReady(absl::Time now, absl::Time* next) -> std::optional<Ready> {
  *next = absl::InfiniteFuture();
  std::optional<Ready> ready;
  Lane* taken_from = nullptr;
  for (size_t i = turns_.size(); i > 0; --i) {
    Lane* lane = turns_.front();
    turns_.pop_front();
    const absl::Time ready_at = ReadyAt(*lane);
    if (ready.has_value() || ready_at > now) {
      *next = std::min(*next, ready_at);
      turns_.push_back(lane);
      continue;
    }
    Subtract(*lane);
    ready = Ready{lane->set, lane->queue.Take()};
    AddUp(*lane);
    ++lane->set->running_;
    ++load_.running_batches;
    taken_from = lane;
  }
  if (taken_from != nullptr && !taken_from->queue.empty()) {
    *next = std::min(*next, ReadyAt(*taken_from));
    turns_.push_back(taken_from);
  }
  return ready;
}

absl::Time BatchingCore::ReadyAt(const Lane& lane) {
  const uint32_t limit = lane.set->options_.max_concurrent_runs;
  if (limit != 0 && lane.set->running_ >= limit) return absl::InfiniteFuture();
  return lane.queue.ReadyAt();
}

void BatchingCore::Run(Ready ready) {
  mutex_.Unlock();
  ready.set->options_.runner->RunBatch(std::move(ready.batch));
  mutex_.Lock();
  --load_.running_batches;
  // The last touch of the set: its destructor may be waiting for exactly this.
  if (--ready.set->running_ == 0) run_ended_.NotifyAll();
}

// --- BatchingCore: who sleeps and who is called

void BatchingCore::CallFor(absl::Time ready_at, absl::Time now) {
  if (ready_at == absl::InfiniteFuture()) return;
  if (ready_at <= now || watch_ == 0) {
    CallOne();  // to run the batch, or to watch
  } else if (ready_at < watched_until_) {
    CallWatcher();
  }
}

void BatchingCore::CallOne() {
  if (idle_ == 0) {
    CallWatcher();
    return;
  }
  --idle_;
  ++calls_;
  called_.NotifyOne();
}

void BatchingCore::CallWatcher() {
  if (watch_ == 0) return;
  watch_ = 0;
  watch_over_.NotifyAll();
}

void BatchingCore::Sleep(absl::Time next, absl::Time now) {
  if (next == absl::InfiniteFuture() || (watch_ != 0 && watched_until_ <= next)) {
    ++idle_;
    while (calls_ == 0 && !stopping_) called_.Wait(mutex_);
    if (calls_ > 0) --calls_;
    return;
  }
  CallWatcher();  // who watches something later
  const uint64_t mine = ++watches_;
  watch_ = mine;
  watched_until_ = next;
  // The condition variable knows only the real clock, and no times far away.
  const absl::Time wake = absl::Now() + std::min(next - now, kLongestSleep);
  while (watch_ == mine && !stopping_ && watch_over_.WaitUntil(mutex_, wake)) {
  }
  if (watch_ == mine) watch_ = 0;
}

}  // namespace baton::scheduling
