#include "net/http1_exchange.h"

#include "net/http_status.h"

namespace baton::net {

Http1Exchange::Http1Exchange(EventLoop& loop, std::shared_ptr<Http1AnswerPath> path,
                             uint64_t sequence, Request request)
    : loop_(loop), path_(std::move(path)), sequence_(sequence) {
  request_ = std::move(request);
}

Http1Exchange::~Http1Exchange() {
  if (!is_answered_.load() && !cancelled()) {
    Send(HtmlError(500));
  }
}

void Http1Exchange::Respond(Response response) {
  if (!is_answered_.exchange(true)) {
    Send(std::move(response));
  }
}

void Http1Exchange::StartStream(int status, std::vector<Header> headers) {
  streamed_.status = status;
  streamed_.headers = std::move(headers);
}

void Http1Exchange::Send(Response response) {
  if (loop_.IsInLoopThread()) {
    if (path_->sink != nullptr) {
      path_->sink->Answer(sequence_, std::move(response));
    }
    return;
  }
  loop_.Post([path = path_, sequence = sequence_, response = std::move(response)]() mutable {
    if (path->sink != nullptr) {
      path->sink->Answer(sequence, std::move(response));
    }
  });
}

void Http1Exchange::Cancel() {
  if (cancelled_.exchange(true) || is_answered_.load()) {
    return;
  }
  if (on_cancel_ != nullptr) {
    auto work = std::move(on_cancel_);
    on_cancel_ = nullptr;
    work();
  }
}

}  // namespace baton::net
