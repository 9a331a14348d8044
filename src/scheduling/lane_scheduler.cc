#include "scheduling/lane_scheduler.h"

#include <pthread.h>

#include <algorithm>

#include "base/check.h"
#include "base/strings.h"

namespace baton::scheduling {
namespace {

// A full lane is searched for dead calls at most so often, so that refusing stays cheap.
constexpr absl::Duration kSweepInterval = absl::Milliseconds(100);

absl::Status Stopping(const std::string& name) {
  return absl::UnavailableError(base::StrCat(name, " takes no more requests: it is being stopped"));
}

}  // namespace

// --- LaneSet

LaneSet::LaneSet(Options options, LaneScheduler* scheduler)
    : options_(std::move(options)), scheduler_(scheduler), lanes_(options_.signatures.size()) {
  for (size_t i = 0; i < lanes_.size(); ++i) {
    lanes_[i].set = this;
    lanes_[i].index = static_cast<uint32_t>(i);
  }
}

LaneSet::~LaneSet() {
  LaneScheduler::Removed removed;
  {
    base::MutexLock lock(scheduler_->mutex_);
    scheduler_->TakeAll(*this, Stopping(options_.name), removed);
    std::erase(scheduler_->sets_, this);
    while (engine_threads_ > 0) scheduler_->run_ended_.Wait(scheduler_->mutex_);
  }
  LaneScheduler::Answer(std::move(removed));
}

void LaneSet::Submit(uint32_t lane, uint64_t input_bytes, predict::PredictCall call) {
  const absl::Time now = scheduler_->options_.clock->Now();
  absl::Status status = predict::CheckAwaited(call.context, now);
  if (status.ok() && lane >= lanes_.size()) {
    status = absl::InternalError("the signature is not one of the model's");
  }
  LaneScheduler::Removed dead;
  if (status.ok()) {
    base::MutexLock lock(scheduler_->mutex_);
    status = scheduler_->Insert(lanes_[lane], input_bytes, call, now, dead);
  }
  LaneScheduler::Answer(std::move(dead));
  if (!status.ok()) call.sink.Finish(std::move(status));
}

bool LaneSet::TryEnter() {
  if (options_.max_concurrent_runs == 0) return true;
  base::MutexLock lock(scheduler_->mutex_);
  if (running_ >= options_.max_concurrent_runs) return false;
  // Whoever queues for the limited instances comes first.
  for (const Lane& lane : lanes_) {
    if (!lane.queue.empty()) return false;
  }
  ++running_;
  return true;
}

void LaneSet::Leave() {
  if (options_.max_concurrent_runs == 0) return;
  base::MutexLock lock(scheduler_->mutex_);
  --running_;
  for (const Lane& lane : lanes_) {
    if (!lane.queue.empty()) {
      scheduler_->WakeOne();
      return;
    }
  }
}

// --- LaneScheduler

LaneScheduler::LaneScheduler(Options options) : options_(std::move(options)) {
  threads_.reserve(options_.threads);
  for (uint32_t i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([this, i] {
      pthread_setname_np(pthread_self(), base::StrCat("slot-", i).c_str());
      RunThread();
    });
  }
}

LaneScheduler::~LaneScheduler() {
  Stop();
  base::MutexLock lock(mutex_);
  BATON_CHECK(sets_.empty());
}

void LaneScheduler::Stop() {
  {
    base::MutexLock lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
    work_.NotifyAll();
  }
  for (std::thread& thread : threads_) thread.join();
  Removed removed;
  {
    base::MutexLock lock(mutex_);
    for (LaneSet* set : sets_) TakeAll(*set, Stopping(set->options_.name), removed);
  }
  Answer(std::move(removed));
}

std::unique_ptr<LaneSet> LaneScheduler::NewLanes(LaneSet::Options options) {
  std::unique_ptr<LaneSet> set(new LaneSet(std::move(options), this));  // private constructor
  base::MutexLock lock(mutex_);
  sets_.push_back(set.get());
  return set;
}

uint64_t LaneScheduler::queued_calls() const {
  base::MutexLock lock(mutex_);
  return queued_calls_;
}

uint64_t LaneScheduler::queued_bytes() const {
  base::MutexLock lock(mutex_);
  return queued_bytes_;
}

uint32_t LaneScheduler::running_calls() const {
  base::MutexLock lock(mutex_);
  return running_calls_;
}

void LaneScheduler::RunThread() {
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
void LaneScheduler::RunHead(Lane& lane) {
  LaneSet& set = *lane.set;
  Node node = Take(lane, lane.queue.begin());
  level_ = std::max(level_, lane.used);
  const absl::Duration charged = lane.typical_run;
  lane.used += charged;
  ++set.running_;
  ++set.engine_threads_;
  ++running_calls_;
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
  --running_calls_;
  --set.running_;
  // The last touch of `set`: its destructor may be waiting for exactly this.
  if (--set.engine_threads_ == 0) run_ended_.NotifyAll();
}

BatchDecision LaneScheduler::Decide(absl::Time now) {
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

void LaneScheduler::TakeDeadHeads(absl::Time now, Removed& out) {
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

void LaneScheduler::Sweep(Lane& lane, absl::Time now, Removed& out) {
  if (now - lane.last_sweep < kSweepInterval) return;
  lane.last_sweep = now;
  for (auto at = lane.queue.begin(); at != lane.queue.end();) {
    const auto next = std::next(at);
    absl::Status status = predict::CheckAwaited(at->second.call.context, now);
    if (!status.ok()) out.emplace_back(Take(lane, at), std::move(status));
    at = next;
  }
}

void LaneScheduler::TakeAll(LaneSet& set, const absl::Status& status, Removed& out) {
  for (Lane& lane : set.lanes_) {
    while (!lane.queue.empty()) out.emplace_back(Take(lane, lane.queue.begin()), status);
  }
}

absl::Status LaneScheduler::Insert(Lane& lane, uint64_t input_bytes, predict::PredictCall& call,
                                   absl::Time now, Removed& dead) {
  const std::string& name = lane.set->options_.name;
  if (stopping_) return Stopping(name);
  const auto too_many = [&] { return lane.queue.size() >= options_.max_queued_calls; };
  const auto too_large = [&] {
    return !lane.queue.empty() && (input_bytes > options_.max_queued_bytes ||
                                   lane.queued_bytes > options_.max_queued_bytes - input_bytes);
  };
  if (too_many() || too_large()) Sweep(lane, now, dead);
  if (too_many() || too_large()) {
    const std::string limit = too_many()
                                  ? base::StrCat(options_.max_queued_calls, " calls")
                                  : base::StrCat(options_.max_queued_bytes, " bytes of inputs");
    return absl::ResourceExhaustedError(
        base::StrCat(name, ", signature \"", lane.set->options_.signatures[lane.index],
                     "\": the queue is full, its limit is ", limit));
  }
  if (lane.queue.empty()) {
    active_.push_back(&lane);
    lane.used = std::max(lane.used, level_);
  }
  const absl::Time due = std::min(call.context.deadline, now + options_.patience);
  lane.queue.emplace(LaneSet::Rank{due, next_sequence_++},
                     LaneSet::QueuedCall{std::move(call), input_bytes});
  lane.queued_bytes += input_bytes;
  queued_bytes_ += input_bytes;
  ++queued_calls_;
  WakeOne();
  return absl::OkStatus();
}

LaneScheduler::Node LaneScheduler::Take(Lane& lane, LaneSet::Queue::iterator at) {
  Node node = lane.queue.extract(at);
  lane.queued_bytes -= node.mapped().input_bytes;
  queued_bytes_ -= node.mapped().input_bytes;
  --queued_calls_;
  if (lane.queue.empty()) {
    const auto place = std::find(active_.begin(), active_.end(), &lane);
    *place = active_.back();
    active_.pop_back();
  }
  return node;
}

void LaneScheduler::WakeOne() {
  if (idle_threads_ > 0) work_.NotifyOne();
}

void LaneScheduler::Answer(Removed removed) {
  for (auto& [node, status] : removed) node.mapped().call.sink.Finish(std::move(status));
}

}  // namespace baton::scheduling
