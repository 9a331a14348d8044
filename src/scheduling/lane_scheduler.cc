#include "scheduling/lane_scheduler.h"

#include <pthread.h>

#include <algorithm>

#include "base/mutex.h"
#include "base/strings.h"

namespace baton::scheduling {
namespace {

// A full lane is searched for dead calls at most so often, so that refusing stays cheap.
constexpr absl::Duration kSweepInterval = absl::Milliseconds(100);

absl::Status Stopping(const std::string& name) {
  return absl::UnavailableError(base::StrCat(name, " takes no more requests: it is being stopped"));
}

}  // namespace

// Queues, and the state of every run. Shared, because a servable that is destroyed late, by a
// reaper that works on while the server comes down, still takes its lanes off here.
class LaneCore {
 public:
  using Lane = LaneSet::Lane;
  using Node = LaneSet::Queue::node_type;
  // Calls taken off their lanes, to be answered outside the lock.
  using Removed = std::vector<std::pair<Node, absl::Status>>;

  explicit LaneCore(LaneScheduler::Options options) : options_(std::move(options)) {}

  const base::Clock& clock() const { return *options_.clock; }

  void Add(LaneSet* set) ABSL_LOCKS_EXCLUDED(mutex_);
  // Answers what is queued, then waits for the runs.
  void Remove(LaneSet* set) ABSL_LOCKS_EXCLUDED(mutex_);
  // Takes `call` unless it returns an error.
  absl::Status Insert(Lane& lane, uint64_t input_bytes, predict::PredictCall& call, absl::Time now)
      ABSL_LOCKS_EXCLUDED(mutex_);
  bool TryEnter(LaneSet& set) ABSL_LOCKS_EXCLUDED(mutex_);
  void Leave(LaneSet& set) ABSL_LOCKS_EXCLUDED(mutex_);

  void RunThread() ABSL_LOCKS_EXCLUDED(mutex_);
  void StopThreads() ABSL_LOCKS_EXCLUDED(mutex_);
  void AnswerAll() ABSL_LOCKS_EXCLUDED(mutex_);

  struct Load {
    uint64_t queued_calls = 0;
    uint64_t queued_bytes = 0;
    uint32_t running_calls = 0;
  };
  Load load() const ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(mutex_);
    return load_;
  }

 private:
  void RunHead(Lane& lane) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  BatchDecision Decide(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status MakeRoom(Lane& lane, uint64_t input_bytes, absl::Time now, Removed& dead)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeDeadHeads(absl::Time now, Removed& out) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Sweep(Lane& lane, absl::Time now, Removed& out) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeAll(LaneSet& set, Removed& out) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Node Take(Lane& lane, LaneSet::Queue::iterator at) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WakeOne() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static bool HasQueued(const LaneSet& set);
  static void Answer(Removed removed);

  const LaneScheduler::Options options_;
  mutable base::Mutex mutex_;
  base::CondVar work_;
  base::CondVar run_ended_;
  std::vector<LaneSet*> sets_ ABSL_GUARDED_BY(mutex_);
  std::vector<Lane*> active_ ABSL_GUARDED_BY(mutex_);            // with queued calls
  std::vector<LaneSnapshot> snapshots_ ABSL_GUARDED_BY(mutex_);  // of active_, memory reused
  absl::Duration level_ ABSL_GUARDED_BY(mutex_);  // `used` at which a lane that was idle starts
  uint64_t next_sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  Load load_ ABSL_GUARDED_BY(mutex_);
  uint32_t idle_threads_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

// --- LaneSet

LaneSet::LaneSet(Options options, std::shared_ptr<LaneCore> core)
    : options_(std::move(options)), core_(std::move(core)), lanes_(options_.signatures.size()) {
  for (size_t i = 0; i < lanes_.size(); ++i) {
    lanes_[i].set = this;
    lanes_[i].index = static_cast<uint32_t>(i);
  }
  core_->Add(this);
}

LaneSet::~LaneSet() { core_->Remove(this); }

void LaneSet::Submit(uint32_t lane, uint64_t input_bytes, predict::PredictCall call) {
  const absl::Time now = core_->clock().Now();
  absl::Status status = predict::CheckAwaited(call.context, now);
  if (status.ok() && lane >= lanes_.size()) {
    status = absl::InternalError("the signature is not one of the model's");
  }
  if (status.ok()) status = core_->Insert(lanes_[lane], input_bytes, call, now);
  if (!status.ok()) call.sink.Finish(std::move(status));
}

bool LaneSet::TryEnter() { return options_.max_concurrent_runs == 0 || core_->TryEnter(*this); }

void LaneSet::Leave() {
  if (options_.max_concurrent_runs != 0) core_->Leave(*this);
}

// --- LaneScheduler

LaneScheduler::LaneScheduler(Options options) : core_(std::make_shared<LaneCore>(options)) {
  threads_.reserve(options.threads);
  for (uint32_t i = 0; i < options.threads; ++i) {
    threads_.emplace_back([core = core_.get(), i] {
      pthread_setname_np(pthread_self(), base::StrCat("slot-", i).c_str());
      core->RunThread();
    });
  }
}

LaneScheduler::~LaneScheduler() { Stop(); }

void LaneScheduler::Stop() {
  core_->StopThreads();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  core_->AnswerAll();
}

std::unique_ptr<LaneSet> LaneScheduler::NewLanes(LaneSet::Options options) {
  return std::unique_ptr<LaneSet>(new LaneSet(std::move(options), core_));  // private constructor
}

uint64_t LaneScheduler::queued_calls() const { return core_->load().queued_calls; }
uint64_t LaneScheduler::queued_bytes() const { return core_->load().queued_bytes; }
uint32_t LaneScheduler::running_calls() const { return core_->load().running_calls; }

// --- LaneCore: from the outside

void LaneCore::Add(LaneSet* set) {
  base::MutexLock lock(mutex_);
  sets_.push_back(set);
}

void LaneCore::Remove(LaneSet* set) {
  Removed removed;
  {
    base::MutexLock lock(mutex_);
    TakeAll(*set, removed);
    std::erase(sets_, set);
  }
  Answer(std::move(removed));
  base::MutexLock lock(mutex_);
  while (set->engine_threads_ > 0) run_ended_.Wait(mutex_);
}

absl::Status LaneCore::Insert(Lane& lane, uint64_t input_bytes, predict::PredictCall& call,
                              absl::Time now) {
  Removed dead;
  absl::Status status;
  {
    base::MutexLock lock(mutex_);
    status = MakeRoom(lane, input_bytes, now, dead);
    if (status.ok()) {
      if (lane.queue.empty()) {
        active_.push_back(&lane);
        lane.used = std::max(lane.used, level_);
      }
      const absl::Time due = std::min(call.context.deadline, now + options_.patience);
      lane.queue.emplace(LaneSet::Rank{due, next_sequence_++},
                         LaneSet::QueuedCall{std::move(call), input_bytes});
      lane.queued_bytes += input_bytes;
      load_.queued_bytes += input_bytes;
      ++load_.queued_calls;
      WakeOne();
    }
  }
  Answer(std::move(dead));
  return status;
}

absl::Status LaneCore::MakeRoom(Lane& lane, uint64_t input_bytes, absl::Time now, Removed& dead) {
  const LaneSet::Options& set = lane.set->options_;
  if (stopping_) return Stopping(set.name);
  const auto too_many = [&] { return lane.queue.size() >= options_.max_queued_calls; };
  const auto too_large = [&] {
    return !lane.queue.empty() && (input_bytes > options_.max_queued_bytes ||
                                   lane.queued_bytes > options_.max_queued_bytes - input_bytes);
  };
  if (too_many() || too_large()) Sweep(lane, now, dead);
  if (!too_many() && !too_large()) return absl::OkStatus();
  const std::string limit = too_many()
                                ? base::StrCat(options_.max_queued_calls, " calls")
                                : base::StrCat(options_.max_queued_bytes, " bytes of inputs");
  return absl::ResourceExhaustedError(base::StrCat(set.name, ", signature \"",
                                                   set.signatures[lane.index],
                                                   "\": the queue is full, its limit is ", limit));
}

bool LaneCore::TryEnter(LaneSet& set) {
  base::MutexLock lock(mutex_);
  if (set.running_ >= set.options_.max_concurrent_runs) return false;
  if (HasQueued(set)) return false;  // whoever queues for the limited instances comes first
  ++set.running_;
  return true;
}

void LaneCore::Leave(LaneSet& set) {
  base::MutexLock lock(mutex_);
  --set.running_;
  if (HasQueued(set)) WakeOne();
}

void LaneCore::StopThreads() {
  base::MutexLock lock(mutex_);
  stopping_ = true;
  work_.NotifyAll();
}

void LaneCore::AnswerAll() {
  Removed removed;
  {
    base::MutexLock lock(mutex_);
    for (LaneSet* set : sets_) TakeAll(*set, removed);
  }
  Answer(std::move(removed));
}

// --- LaneCore: the threads

void LaneCore::RunThread() {
  Removed dead;
  mutex_.Lock();
  while (!stopping_) {
    const absl::Time now = options_.clock->Now();
    TakeDeadHeads(now, dead);
    if (!dead.empty()) {
      mutex_.Unlock();
      Answer(std::exchange(dead, {}));
      mutex_.Lock();
      continue;
    }
    const BatchDecision decision = Decide(now);
    if (decision.count > 0) {
      RunHead(*active_[decision.lane]);
      continue;
    }
    ++idle_threads_;
    // The condition variable knows only the real clock.
    work_.WaitUntil(mutex_, decision.wait_until == absl::InfiniteFuture()
                                ? decision.wait_until
                                : absl::Now() + (decision.wait_until - now));
    --idle_threads_;
  }
  mutex_.Unlock();
}

// Leaves the lock for the run.
void LaneCore::RunHead(Lane& lane) {
  LaneSet& set = *lane.set;
  Node node = Take(lane, lane.queue.begin());
  level_ = std::max(level_, lane.used);
  const absl::Duration charged = lane.typical_run;
  lane.used += charged;
  ++set.running_;
  ++set.engine_threads_;
  ++load_.running_calls;
  mutex_.Unlock();

  predict::PredictCall& call = node.mapped().call;
  call.context.may_run_inline = false;  // this thread may wait
  const absl::Time start = options_.clock->Now();
  set.options_.next->Predict(std::move(call));
  const absl::Duration took = options_.clock->Now() - start;
  set.options_.costs->Observe(lane.index, node.mapped().input_bytes, took);

  mutex_.Lock();
  lane.used += took - charged;
  lane.typical_run += (took - lane.typical_run) / 8;
  --load_.running_calls;
  --set.running_;
  // The last touch of `set`: its destructor may be waiting for exactly this.
  if (--set.engine_threads_ == 0) run_ended_.NotifyAll();
}

BatchDecision LaneCore::Decide(absl::Time now) {
  snapshots_.clear();
  for (const Lane* lane : active_) {
    const auto& [rank, head] = *lane->queue.begin();
    const uint32_t limit = lane->set->options_.max_concurrent_runs;
    snapshots_.push_back({
        .queued = static_cast<uint32_t>(lane->queue.size()),
        .head_due = rank.first,
        .head_deadline = head.call.context.deadline,
        .used = lane->used,
        .may_run = limit == 0 || lane->set->running_ < limit,
    });
  }
  return options_.policy.Decide(snapshots_, now);
}

void LaneCore::TakeDeadHeads(absl::Time now, Removed& out) {
  // Backwards: taking the last call of a lane removes the lane from active_.
  for (size_t i = active_.size(); i-- > 0;) {
    Lane& lane = *active_[i];
    while (!lane.queue.empty()) {
      absl::Status status = predict::CheckAwaited(lane.queue.begin()->second.call.context, now);
      if (status.ok()) break;
      out.emplace_back(Take(lane, lane.queue.begin()), std::move(status));
    }
  }
}

void LaneCore::Sweep(Lane& lane, absl::Time now, Removed& out) {
  if (now - lane.last_sweep < kSweepInterval) return;
  lane.last_sweep = now;
  for (auto at = lane.queue.begin(); at != lane.queue.end();) {
    const auto next = std::next(at);
    absl::Status status = predict::CheckAwaited(at->second.call.context, now);
    if (!status.ok()) out.emplace_back(Take(lane, at), std::move(status));
    at = next;
  }
}

void LaneCore::TakeAll(LaneSet& set, Removed& out) {
  for (Lane& lane : set.lanes_) {
    while (!lane.queue.empty()) {
      out.emplace_back(Take(lane, lane.queue.begin()), Stopping(set.options_.name));
    }
  }
}

LaneCore::Node LaneCore::Take(Lane& lane, LaneSet::Queue::iterator at) {
  Node node = lane.queue.extract(at);
  lane.queued_bytes -= node.mapped().input_bytes;
  load_.queued_bytes -= node.mapped().input_bytes;
  --load_.queued_calls;
  if (lane.queue.empty()) {
    const auto place = std::find(active_.begin(), active_.end(), &lane);
    *place = active_.back();
    active_.pop_back();
  }
  return node;
}

bool LaneCore::HasQueued(const LaneSet& set) {
  return std::any_of(set.lanes_.begin(), set.lanes_.end(),
                     [](const Lane& lane) { return !lane.queue.empty(); });
}

void LaneCore::WakeOne() {
  if (idle_threads_ > 0) work_.NotifyOne();
}

void LaneCore::Answer(Removed removed) {
  for (auto& [node, status] : removed) node.mapped().call.sink.Finish(std::move(status));
}

}  // namespace baton::scheduling
