#include "net/http2_stream.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <utility>

#include "net/event_loop.h"

namespace baton::net {
namespace {

constexpr size_t kFirstBlock = size_t{16} << 10;
constexpr size_t kEagerBelow = size_t{1} << 20;  // blocks grow fourfold up to here, twofold above
constexpr size_t kAskWith = 256;                 // fewest bytes aligned_offset is asked with

// Unaligned, in one piece with its count of references: an aligned allocation costs several plain
// ones.
base::Buffer SmallBlock(size_t bytes) {
  std::shared_ptr<char[]> block = std::make_shared_for_overwrite<char[]>(bytes);
  const char* data = block.get();
  return base::Buffer::Wrap(data, bytes, std::move(block));
}

}  // namespace

void Http2Body::Append(std::string_view bytes, bool last,
                       absl::FunctionRef<size_t(std::string_view)> aligned_offset) {
  if (bytes.empty()) {
    return;
  }
  const size_t needed = size_ + bytes.size();
  if (needed > kAlignAbove && !placed_) {
    PlaceBy(bytes, aligned_offset);
  }
  if (needed + shift_ > block_.size()) {
    Grow(needed, last);
  }
  std::memcpy(block_.mutable_data() + shift_ + size_, bytes.data(), bytes.size());
  size_ = needed;
}

void Http2Body::PlaceBy(std::string_view bytes,
                        absl::FunctionRef<size_t(std::string_view)> aligned_offset) {
  placed_ = true;
  size_t offset = 0;
  if (size_ == 0) {
    offset = aligned_offset(bytes);
  } else if (size_ >= kAskWith) {
    offset = aligned_offset({block_.data(), size_});
  } else {
    std::string first(block_.data(), size_);
    first.append(bytes.substr(0, kAlignAbove));
    offset = aligned_offset(first);
  }
  const size_t shift =
      (base::Buffer::kAlignment - offset % base::Buffer::kAlignment) % base::Buffer::kAlignment;
  if (shift == 0) {
    return;
  }
  // The old block, at most kAlignAbove bytes, has no room for the shift.
  const base::Buffer old = std::exchange(block_, base::Buffer());
  shift_ = shift;
  Grow(size_ + bytes.size(), /*last=*/false);
  if (size_ > 0) {
    std::memcpy(block_.mutable_data() + shift_, old.data(), size_);
  }
}

void Http2Body::Grow(size_t needed, bool last) {
  size_t bytes = needed;
  if (needed > kAlignAbove) {
    // Powers of two, the shift included: the pool has nothing else.
    const size_t grown = block_.size() < kEagerBelow
                             ? std::clamp(block_.size() * 4, kFirstBlock, kEagerBelow)
                             : block_.size() * 2;
    bytes = std::max(grown, std::bit_ceil(needed + shift_));
  } else if (!last) {
    bytes = kAlignAbove;
  }
  base::Buffer next = needed > kAlignAbove ? base::Buffer::Allocate(bytes) : SmallBlock(bytes);
  if (size_ > 0 && !block_.empty()) {
    std::memcpy(next.mutable_data() + shift_, block_.data() + shift_, size_);
  }
  block_ = std::move(next);
}

base::Buffer Http2Body::Take() {
  base::Buffer body;
  if (size_ > 0) {
    body = block_.Slice(shift_, size_);
  }
  *this = Http2Body();
  return body;
}

Http2Exchange::Http2Exchange(std::shared_ptr<Http2Link> link, int32_t stream_id)
    : link_(std::move(link)), stream_id_(stream_id) {
  request_.protocol = Protocol::kHttp2;
}

Http2Exchange::~Http2Exchange() {
  if (phase_.load(std::memory_order_relaxed) == Phase::kAnswered || cancelled()) {
    return;
  }
  if (link_->loop.IsInLoopThread()) {
    if (link_->answers != nullptr) {
      link_->answers->Abandon(stream_id_);
    }
    return;
  }
  link_->loop.Post([link = link_, id = stream_id_] {
    if (link->answers != nullptr) {
      link->answers->Abandon(id);
    }
  });
}

bool Http2Exchange::Enter(Phase from, Phase to) {
  return phase_.compare_exchange_strong(from, to, std::memory_order_acq_rel);
}

template <typename Work>
void Http2Exchange::OnLoop(Work work) {
  if (link_->loop.IsInLoopThread()) {
    if (link_->answers != nullptr && !cancelled()) {
      work(*link_->answers);
    }
    return;
  }
  link_->loop.Post([self = shared_from_this(), this, work = std::move(work)]() mutable {
    if (link_->answers != nullptr && !cancelled()) {
      work(*link_->answers);
    }
  });
}

void Http2Exchange::OnCancel(absl::AnyInvocable<void()> work) { on_cancel_ = std::move(work); }

void Http2Exchange::Cancel() {
  if (cancelled_.exchange(true, std::memory_order_acq_rel)) {
    return;
  }
  absl::AnyInvocable<void()> work = std::exchange(on_cancel_, nullptr);
  if (work != nullptr && phase_.load(std::memory_order_acquire) != Phase::kAnswered) {
    work();
  }
}

void Http2Exchange::Respond(Response response) {
  if (!Enter(Phase::kUnanswered, Phase::kAnswered)) {
    return;
  }
  OnLoop([this, response = std::move(response)](Http2AnswerSink& answers) mutable {
    on_cancel_ = nullptr;
    answers.Answer(stream_id_, std::move(response));
  });
}

void Http2Exchange::StartStream(int status, std::vector<Header> headers) {
  if (!Enter(Phase::kUnanswered, Phase::kStreaming)) {
    return;
  }
  OnLoop([id = stream_id_, status, headers = std::move(headers)](Http2AnswerSink& answers) {
    answers.StartAnswer(id, status, headers);
  });
}

void Http2Exchange::Write(base::Buffer part) {
  if (phase_.load(std::memory_order_acquire) != Phase::kStreaming) {
    return;
  }
  OnLoop([id = stream_id_, part = std::move(part)](Http2AnswerSink& answers) mutable {
    answers.AddPart(id, std::move(part));
  });
}

void Http2Exchange::Finish(std::vector<Header> trailers) {
  if (!Enter(Phase::kStreaming, Phase::kAnswered)) {
    return;
  }
  OnLoop([this, trailers = std::move(trailers)](Http2AnswerSink& answers) mutable {
    on_cancel_ = nullptr;
    answers.FinishAnswer(stream_id_, std::move(trailers));
  });
}

void Http2Parts::Add(base::Buffer part) {
  if (!part.empty()) {
    bytes_ += part.size();
    parts_.push_back(std::move(part));
  }
}

void Http2Parts::Take(size_t bytes, absl::FunctionRef<void(base::Buffer)> sink) {
  bytes_ -= bytes;
  while (bytes > 0) {
    base::Buffer& part = parts_[next_];
    const size_t taken = std::min(bytes, part.size() - offset_);
    sink(part.Slice(offset_, taken));
    bytes -= taken;
    offset_ += taken;
    if (offset_ == part.size()) {
      part = base::Buffer();  // its owner may be waiting for the memory
      ++next_;
      offset_ = 0;
    }
  }
  if (bytes_ == 0) {
    Clear();
  }
}

void Http2Parts::Clear() {
  parts_.clear();
  next_ = offset_ = bytes_ = 0;
}

void Http2Stream::Reset() {
  parts.Clear();
  Http2Parts kept = std::move(parts);
  *this = Http2Stream();
  parts = std::move(kept);
}

}  // namespace baton::net
