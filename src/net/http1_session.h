#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/connection.h"
#include "net/http1_body.h"
#include "net/http1_exchange.h"
#include "net/http1_parser.h"
#include "net/http1_response.h"

namespace baton::net {

// HTTP/1.0 and HTTP/1.1 on one connection, as TensorFlow Serving's clients know it. Requests are
// read ahead of their answers up to a limit; answers leave in the order of the requests, whatever
// order they are made in.
//
// Threads, Owner, Errors: as ProtocolSession. OnBytes never returns false: what cannot be read gets
// its error page after the answers before it, and finished() tells the end.
class Http1Session final : public ProtocolSession, private Http1AnswerSink {
 public:
  explicit Http1Session(SessionHost* host);
  ~Http1Session() override;

  bool OnBytes(std::string_view bytes) override;
  void CollectOutput(OutputQueue& out, size_t room) override;
  bool OnEndOfInput() override;
  bool wants_input() const override { return held_.empty() && input_ != Input::kOver; }
  bool leaves_input_unread() const override { return leaves_input_unread_; }
  bool finished() const override { return input_ == Input::kOver && slots_.size() == front_; }
  void StartDrain() override;
  void OnClosed() override;

 private:
  enum class Input { kHead, kBody, kOver };

  // The place of one answer in the order of answers.
  struct Slot {
    Http1AnswerShape shape;
    bool wants_continue = false;  // "100 Continue" is due
    bool is_answered = false;
    size_t body_bytes = 0;  // of the request and, when it is there, of the answer
    Response response;
    std::weak_ptr<Http1Exchange> exchange;
  };

  void Answer(uint64_t sequence, Response response) override;

  void Parse(std::string_view bytes);
  bool MayStartRequest() const;
  void ReadHead(std::string_view& bytes);
  void StartRequest(Http1Head head, bool more_has_arrived);
  void ReadBody(std::string_view& bytes);
  void FinishRequest();
  void RejectTooLarge();
  // Ends the reading with an error page in its turn.
  void Fail(int status);
  void EndInput();
  void AbandonCurrent();

  void Account(Slot& slot, size_t bytes);
  bool WriteFront(OutputQueue& out);
  void DropFront();
  void DropUnansweredBehind();
  void WatchBody();
  void CancelTimers();

  SessionHost& host_;
  const std::shared_ptr<Http1AnswerPath> path_;

  Input input_ = Input::kHead;
  bool is_draining_ = false;
  bool leaves_input_unread_ = false;
  std::string partial_;  // the part of a head that has arrived
  std::string held_;     // what arrived while too many requests wait for their answers
  EventLoop::TimerId head_timer_ = 0;
  EventLoop::TimerId body_timer_ = 0;  // may still be set when the body is whole
  absl::Time heard_at_;                // the last bytes of a body

  // The request whose body is being read; its slot is the last one.
  std::shared_ptr<Http1Exchange> current_;
  std::unique_ptr<StreamReader> reader_;
  BodyDecoder decoder_;
  BodyBuffer body_;
  bool length_is_known_ = false;
  uint64_t max_body_bytes_ = 0;

  // slots_[front_..] are open; slots_[front_] has the sequence number first_sequence_.
  std::vector<Slot> slots_;
  size_t front_ = 0;
  uint64_t first_sequence_ = 0;
  size_t waiting_bytes_ = 0;
};

}  // namespace baton::net
