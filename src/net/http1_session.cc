#include "net/http1_session.h"

#include <algorithm>
#include <utility>

#include "net/http_status.h"

namespace baton::net {
namespace {

// Bodies of requests that wait for their answers, and of answers that wait to be written; above it
// the next request is not read.
constexpr size_t kMaxWaitingBytes = size_t{4} << 20;

// A connection keeps its memory for partial heads only when that is modest.
constexpr size_t kKeepCapacity = 16 * 1024;

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

std::unique_ptr<ProtocolSession> MakeHttp1Session(SessionHost* host) {
  return std::make_unique<Http1Session>(host);
}

Http1Session::Http1Session(SessionHost* host)
    : host_(*host), path_(std::make_shared<Http1AnswerPath>()) {
  path_->sink = this;
}

Http1Session::~Http1Session() { OnClosed(); }

bool Http1Session::OnBytes(std::string_view bytes) {
  if (held_.empty()) {
    Parse(bytes);
  } else {
    held_.append(bytes);
  }
  return true;
}

bool Http1Session::MayStartRequest() const {
  const size_t open = slots_.size() - front_;
  return open == 0 || (open < host_.limits().max_pipelined && waiting_bytes_ < kMaxWaitingBytes);
}

void Http1Session::Parse(std::string_view bytes) {
  while (!bytes.empty() && input_ != Input::kOver) {
    if (input_ == Input::kBody) {
      ReadBody(bytes);
      continue;
    }
    if (partial_.empty()) {
      if (is_draining_) {
        EndInput();
        break;
      }
      // Empty lines before a request are tolerated: old clients end a body with one too many.
      bytes.remove_prefix(std::min(bytes.find_first_not_of("\r\n"), bytes.size()));
      if (!bytes.empty() && !MayStartRequest()) {
        held_ = bytes;
        return;
      }
    }
    ReadHead(bytes);
  }
  leaves_input_unread_ |= !bytes.empty();
  if (input_ == Input::kBody) {
    heard_at_ = host_.loop().now();
    if (body_timer_ == 0) {
      WatchBody();
    }
  }
}

void Http1Session::ReadHead(std::string_view& bytes) {
  const size_t before = partial_.size();
  std::string_view seen = bytes;
  if (before > 0) {
    partial_.append(bytes);
    seen = partial_;
  }
  const size_t end = FindHeadEnd(seen, before);
  const size_t max_bytes = host_.limits().max_header_bytes;
  if (end > max_bytes || (end == 0 && seen.size() > max_bytes)) {
    Fail(413);
    return;
  }
  if (end == 0) {
    if (before == 0 && !bytes.empty()) {
      partial_ = bytes;
      head_timer_ = host_.loop().RunAt(host_.loop().now() + host_.limits().header_timeout, [this] {
        head_timer_ = 0;
        Fail(408);
        host_.WantWrite();
      });
    }
    bytes = {};
    return;
  }
  bytes.remove_prefix(end - before);
  if (head_timer_ != 0) {
    host_.loop().Cancel(std::exchange(head_timer_, 0));
  }
  Http1Head head = ParseHttp1Head(seen.substr(0, end), host_.limits());
  partial_.clear();
  if (partial_.capacity() > kKeepCapacity) {
    partial_.shrink_to_fit();
  }
  if (head.error != 0) {
    Fail(head.error);
    return;
  }
  StartRequest(std::move(head), !bytes.empty());
}

void Http1Session::StartRequest(Http1Head head, bool more_has_arrived) {
  const bool has_body = head.chunked || head.content_length > 0;
  Slot& slot = slots_.emplace_back();
  slot.shape.protocol = head.request.protocol;
  slot.shape.is_head = head.request.method == "HEAD";
  slot.shape.asks_close = head.asks_close;
  slot.shape.asks_keep_alive = head.asks_keep_alive;
  slot.shape.must_close = head.is_absolute;
  const uint64_t sequence = first_sequence_ + (slots_.size() - front_ - 1);
  current_ =
      std::make_shared<Http1Exchange>(host_.loop(), path_, sequence, std::move(head.request));
  slot.exchange = current_;
  input_ = Input::kBody;
  length_is_known_ = !head.chunked;
  if (head.chunked) {
    decoder_.StartChunked(host_.limits().max_header_bytes);
  } else {
    decoder_.StartLength(head.content_length);
  }
  reader_ = host_.handler().OnStream(current_);
  if (!has_body) {
    FinishRequest();
    return;
  }
  max_body_bytes_ =
      reader_ != nullptr ? ~uint64_t{0} : host_.handler().MaxBodyBytes(current_->request());
  if (head.content_length > max_body_bytes_) {
    RejectTooLarge();
    return;
  }
  if (head.expects_continue && !more_has_arrived) {
    slots_.back().wants_continue = true;
    host_.WantWrite();
  }
}

void Http1Session::ReadBody(std::string_view& bytes) {
  const auto state = decoder_.Feed(bytes, [this](std::string_view part) {
    if (reader_ != nullptr) {
      reader_->OnData(part);
      return true;
    }
    if (part.size() > max_body_bytes_ - body_.size()) {
      return false;
    }
    body_.Append(part, length_is_known_ ? decoder_.remaining() : BodyBuffer::kUnknown);
    return true;
  });
  if (state == BodyDecoder::State::kDone) {
    FinishRequest();
  } else if (state == BodyDecoder::State::kBad) {
    // The request was never whole: its place in the order goes to the error page.
    AbandonCurrent();
    slots_.pop_back();
    Fail(400);
  } else if (state == BodyDecoder::State::kRefused) {
    RejectTooLarge();
  }
}

void Http1Session::FinishRequest() {
  input_ = Input::kHead;
  auto exchange = std::exchange(current_, nullptr);
  auto reader = std::exchange(reader_, nullptr);
  Account(slots_.back(), body_.size());
  slots_.back().wants_continue = false;
  const auto& shape = slots_.back().shape;
  if (shape.asks_close || shape.must_close ||
      (shape.protocol == Protocol::kHttp10 && !shape.asks_keep_alive)) {
    EndInput();
  }
  exchange->SetBody(body_.Take());
  if (reader != nullptr) {
    reader->OnEnd();
  } else {
    host_.handler().OnRequest(std::move(exchange));
  }
}

void Http1Session::RejectTooLarge() {
  auto exchange = std::exchange(current_, nullptr);
  body_ = BodyBuffer();
  slots_.back().wants_continue = false;
  slots_.back().shape.must_close = true;
  EndInput();
  leaves_input_unread_ = true;
  host_.handler().OnBodyTooLarge(std::move(exchange), max_body_bytes_);
}

void Http1Session::Fail(int status) {
  EndInput();
  leaves_input_unread_ = true;
  Slot& slot = slots_.emplace_back();
  slot.is_answered = true;
  slot.response = HtmlError(status);
  host_.WantWrite();
}

void Http1Session::EndInput() {
  CancelTimers();
  input_ = Input::kOver;
  partial_ = std::string();
  held_ = std::string();
}

// The request being read will never be whole.
void Http1Session::AbandonCurrent() {
  if (current_ != nullptr) {
    std::exchange(current_, nullptr)->Cancel();
  }
  reader_.reset();
  body_ = BodyBuffer();
}

// One timer serves for all bodies of a connection: it is set again only when it finds it was early.
void Http1Session::WatchBody() {
  body_timer_ = host_.loop().RunAt(heard_at_ + host_.limits().body_timeout, [this] {
    body_timer_ = 0;
    if (input_ != Input::kBody) {
      return;
    }
    const absl::Time now = host_.loop().now();
    if (!host_.is_reading()) {
      heard_at_ = now;  // the silence is of our own making
    }
    if (now < heard_at_ + host_.limits().body_timeout) {
      WatchBody();
      return;
    }
    AbandonCurrent();
    slots_.pop_back();
    Fail(408);
  });
}

void Http1Session::CancelTimers() {
  for (EventLoop::TimerId* timer : {&head_timer_, &body_timer_}) {
    if (*timer != 0) {
      host_.loop().Cancel(std::exchange(*timer, 0));
    }
  }
}

void Http1Session::Account(Slot& slot, size_t bytes) {
  slot.body_bytes += bytes;
  waiting_bytes_ += bytes;
}

void Http1Session::Answer(uint64_t sequence, Response response) {
  const uint64_t index = sequence - first_sequence_;
  if (sequence < first_sequence_ || index >= slots_.size() - front_) {
    return;
  }
  Slot& slot = slots_[front_ + index];
  if (slot.is_answered) {
    return;  // the error page has taken the place of a request that was never whole
  }
  slot.is_answered = true;
  slot.response = std::move(response);
  for (const base::Buffer& part : slot.response.body) {
    Account(slot, part.size());
  }
  if (index == 0) {
    host_.WantWrite();
  }
}

void Http1Session::CollectOutput(OutputQueue& out, size_t room) {
  bool wrote = true;
  while (wrote && out.bytes() < room) {
    wrote = front_ < slots_.size() && WriteFront(out);
    // Not for every single answer: what stays held is copied each time. Handlers that answer at
    // once fill the next slots right here, without recursion.
    if (!held_.empty() && MayStartRequest() &&
        slots_.size() - front_ <= host_.limits().max_pipelined / 2) {
      const std::string held = std::exchange(held_, {});
      Parse(held);
      wrote = true;
    }
  }
}

bool Http1Session::WriteFront(OutputQueue& out) {
  Slot& slot = slots_[front_];
  if (!slot.is_answered) {
    if (std::exchange(slot.wants_continue, false)) {
      out.Append(kContinue);
    }
    return false;
  }
  const bool is_last = front_ + 1 == slots_.size();
  // Answered before its body was whole (a streaming handler): the rest has no reader.
  const bool is_being_read = is_last && current_ != nullptr;
  const bool is_end_of_drain = is_draining_ && is_last && partial_.empty();
  slot.shape.must_close |= is_end_of_drain || is_being_read;
  leaves_input_unread_ |= is_being_read;
  const bool closes =
      AppendHttp1Response(std::move(slot.response), slot.shape, host_.loop().now(), out);
  DropFront();
  if (closes) {
    EndInput();
    DropUnansweredBehind();
  }
  return true;
}

void Http1Session::DropFront() {
  waiting_bytes_ -= slots_[front_].body_bytes;
  slots_[front_] = Slot();
  ++front_;
  ++first_sequence_;
  if (front_ == slots_.size() || front_ == host_.limits().max_pipelined) {
    slots_.erase(slots_.begin(), slots_.begin() + static_cast<ptrdiff_t>(front_));
    front_ = 0;
  }
}

// Requests behind an answer that ends the connection: nobody will see their answers.
void Http1Session::DropUnansweredBehind() {
  AbandonCurrent();
  std::vector<Slot> dropped(
      std::make_move_iterator(slots_.begin() + static_cast<ptrdiff_t>(front_)),
      std::make_move_iterator(slots_.end()));
  first_sequence_ += dropped.size();
  slots_.clear();
  front_ = 0;
  waiting_bytes_ = 0;
  for (Slot& slot : dropped) {
    if (auto exchange = slot.exchange.lock(); exchange != nullptr && !slot.is_answered) {
      exchange->Cancel();
    }
  }
}

bool Http1Session::OnEndOfInput() {
  if (current_ != nullptr) {
    AbandonCurrent();
    slots_.pop_back();
  }
  EndInput();
  return front_ < slots_.size();
}

void Http1Session::StartDrain() {
  is_draining_ = true;
  if (input_ == Input::kHead && partial_.empty() && front_ == slots_.size()) {
    EndInput();
  }
  host_.WantWrite();
}

void Http1Session::OnClosed() {
  path_->sink = nullptr;
  EndInput();
  DropUnansweredBehind();
}

}  // namespace baton::net
