#include "net/http1_session.h"

#include <thread>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "net/http_status.h"
#include "net/testing_host.h"

namespace baton::net {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kPage400[] =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nConnection: close\r\n"
    "Date: Thu, 20 Nov 2025 15:52:47 GMT\r\nContent-Length: 94\r\n\r\n"
    "<HTML><HEAD>\n<TITLE>400 Bad Request</TITLE>\n</HEAD><BODY>\n<H1>Bad Request</H1>\n"
    "</BODY></HTML>\n";
constexpr char kDate[] = "Date: Thu, 20 Nov 2025 15:52:47 GMT\r\n";

Response Json(int status, std::string text) {
  Response response;
  response.status = status;
  response.headers = {{"Content-Type", "application/json"}};
  response.body.push_back(base::Buffer::FromString(std::move(text)));
  return response;
}

// Answers every request at once with what it saw: "<method> <target> <body>".
class Http1Test : public ::testing::Test {
 protected:
  Http1Test() { EchoRequests(); }

  void EchoRequests() {
    host.scripted().on_request = [](ExchangePtr exchange) {
      const Request& request = exchange->request();
      exchange->Respond(Json(
          200, request.method + " " + request.target + " " + std::string(request.body.view())));
    };
  }
  void KeepRequests() { host.scripted().on_request = nullptr; }
  std::vector<ExchangePtr>& exchanges() { return host.scripted().exchanges; }

  std::string Send(std::string_view bytes) {
    EXPECT_TRUE(session.OnBytes(bytes));
    return host.Output(session);
  }

  TestHost host;
  Http1Session session{&host};
};

std::string Echoed(std::string_view text, std::string_view last_fields = "") {
  return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + std::string(kDate) +
         "Content-Length: " + std::to_string(text.size()) + "\r\n" + std::string(last_fields) +
         "\r\n" + std::string(text);
}

struct Row {
  const char* what;
  std::string in;
  std::string out;
  bool finished = false;
};

// The rows marked [O] were recorded from the real server (shared contract, observed/http.json).
std::vector<Row> Rows() {
  const std::string post = "POST /p HTTP/1.1\r\n";
  const std::string closed = "Connection: close\r\n";
  return {
      {"a body by length [O]", post + "Host: a\r\nContent-Length: 3\r\n\r\nabc",
       Echoed("POST /p abc")},
      {"HTTP/1.0 [O]", "POST /p HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc",
       "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\nPOST /p abc", true},
      {"HTTP/1.0 that wants to stay", "GET /p HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
       "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nConnection: keep-alive\r\n"
       "Content-Length: 7\r\n\r\nGET /p "},
      {"HTTP/1.0 that wants to go", "GET /p HTTP/1.0\r\nConnection: close\r\n\r\n",
       "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\nGET /p ",
       true},
      {"a client that asks to close [O]",
       post + "Connection: close\r\nContent-Length: 3\r\n\r\nabc", Echoed("POST /p abc", closed),
       true},
      {"close among other words", post + "connection: TE , CLOSE\r\n\r\n",
       Echoed("POST /p ", closed), true},
      {"chunks [O]", post + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
       Echoed("POST /p abc")},
      {"chunks with extensions, blanks, capitals and trailers",
       post + "Transfer-Encoding: Chunked\r\n\r\n1;x=y\r\na\r\n00B \t;\"q\" \r\nbcdefghijkl\r\n"
              "0;last\r\nT: v\r\nU: w\r\n\r\n",
       Echoed("POST /p abcdefghijkl")},
      {"no body [O]", post + "Host: a\r\n\r\n", Echoed("POST /p ")},
      {"a body where none is needed", "DELETE /p HTTP/1.1\r\nContent-Length: 2\r\n\r\nab",
       Echoed("DELETE /p ab")},
      {"no host [O]", "GET /v1/models/m HTTP/1.1\r\n\r\n", Echoed("GET /v1/models/m ")},
      {"bare line feeds", "GET /p HTTP/1.1\nHost: a\n\n", Echoed("GET /p ")},
      {"empty lines before", "\r\n\n\r\nGET /p HTTP/1.1\r\n\r\n", Echoed("GET /p ")},
      {"pipelined [O]", "GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
       Echoed("GET /a ") + Echoed("GET /b ")},
      {"nothing after a request to close",
       "GET /a HTTP/1.1\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
       Echoed("GET /a ", closed), true},
      {"expectation with its body [O]",
       post + "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", Echoed("POST /p abc")},
      {"HEAD: the body comes, its length does not [O]", "HEAD /p HTTP/1.1\r\n\r\n",
       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + std::string(kDate) +
           "\r\nHEAD /p ",
       true},
      {"an absolute target", "GET http://u@h:80/x?y#z HTTP/1.1\r\n\r\n",
       Echoed("GET /x?y#z ", closed), true},
      {"an absolute target without path", "GET https://[::1] HTTP/1.1\r\n\r\n",
       Echoed("GET / ", closed), true},
      {"a target that is only an authority and a path", "GET //v1/models/m HTTP/1.1\r\n\r\n",
       Echoed("GET /models/m ")},
      {"a later minor version", "GET /p HTTP/1.7\r\n\r\n", Echoed("GET /p ")},
      {"other expectations", post + "Expect: tea\r\n\r\n", "HTTP/1.1 417 Expectation Failed", true},
      {"TRACE [O]", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
       "HTTP/1.1 501 Not Implemented\r\nContent-Type: text/html\r\nConnection: close\r\n" +
           std::string(kDate) +
           "Content-Length: 102\r\n\r\n<HTML><HEAD>\n<TITLE>501 Not Implemented</TITLE>\n"
           "</HEAD><BODY>\n<H1>Not Implemented</H1>\n</BODY></HTML>\n",
       true},
      {"lower-case methods", "get / HTTP/1.1\r\n\r\n", "HTTP/1.1 501 Not Implemented\r\n", true},
      {"CONNECT", "CONNECT h:443 HTTP/1.1\r\n\r\n", "HTTP/1.1 501 Not Implemented\r\n", true},
  };
}

TEST_F(Http1Test, RequestsAreAnsweredAsByTheStockServer) {
  for (const Row& row : Rows()) {
    TestHost fresh;
    fresh.scripted().on_request = host.scripted().on_request;
    Http1Session session(&fresh);
    session.OnBytes(row.in);
    const std::string out = fresh.Output(session);
    EXPECT_EQ(out.substr(0, row.out.starts_with("HTTP/1.1 200") ? out.npos : row.out.size()),
              row.out)
        << row.what;
    EXPECT_EQ(session.finished(), row.finished) << row.what;
  }
}

TEST_F(Http1Test, TheSameBytesOneByOneGetTheSameAnswers) {
  for (const Row& row : Rows()) {
    TestHost whole_host;
    TestHost split_host;
    whole_host.scripted().on_request = split_host.scripted().on_request =
        host.scripted().on_request;
    Http1Session whole(&whole_host);
    Http1Session split(&split_host);
    whole.OnBytes(row.in);
    std::string out;
    for (const char& byte : row.in) {
      split.OnBytes({&byte, 1});
      out += split_host.Output(split);
    }
    EXPECT_EQ(absl::StrReplaceAll(out, {{"HTTP/1.1 100 Continue\r\n\r\n", ""}}),
              whole_host.Output(whole))
        << row.what;
    EXPECT_EQ(split.finished(), whole.finished()) << row.what;
  }
}

TEST_F(Http1Test, WhatTwoServersCouldReadDifferentlyIsRefused) {
  const std::string post = "POST /p HTTP/1.1\r\n";
  const std::string chunked = post + "Transfer-Encoding: chunked\r\n\r\n";
  const struct {
    const char* what;
    std::string in;
  } rows[] = {
      {"one word [O]", "GARBAGE\r\n\r\n"},
      {"a version from the future [O]", "GET /x HTTP/9.9\r\n\r\n"},
      {"a version from the past", "GET /x HTTP/0.9\r\n\r\n"},
      {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
      {"no version", "GET /x\r\n\r\n"},
      {"no target", "GET  HTTP/1.1\r\n\r\n"},
      {"a blank in the target", "GET /a b HTTP/1.1\r\n\r\n"},
      {"a bracket in the target", "GET /a[0] HTTP/1.1\r\n\r\n"},
      {"half an escape", "GET /a%2 HTTP/1.1\r\n\r\n"},
      {"bytes above ASCII", "GET /\xc3\xa4 HTTP/1.1\r\n\r\n"},
      {"two fragments", "GET /a#b#c HTTP/1.1\r\n\r\n"},
      {"a bad port", "GET http://h:x/ HTTP/1.1\r\n\r\n"},
      {"a carriage return in the target", "GET /a\rb HTTP/1.1\r\n\r\n"},
      {"both framings", post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"both framings, the other way",
       post + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"},
      {"two lengths", post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\n"},
      {"a list of lengths", post + "Content-Length: 3, 3\r\n\r\n"},
      {"a negative length", post + "Content-Length: -1\r\n\r\n"},
      {"a length with a sign", post + "Content-Length: +1\r\n\r\n"},
      {"a length in hex", post + "Content-Length: 0x1\r\n\r\n"},
      {"an empty length", post + "Content-Length:\r\n\r\n"},
      {"a length beyond 63 bits", post + "Content-Length: 9223372036854775808\r\n\r\n"},
      {"another coding", post + "Transfer-Encoding: gzip\r\n\r\n"},
      {"two codings", post + "Transfer-Encoding: gzip, chunked\r\n\r\n"},
      {"chunked twice", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"chunked in HTTP/1.0", "POST /p HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"a blank before the colon", post + "Content-Length : 3\r\n\r\n"},
      {"a folded line", post + "A: b\r\n c\r\n\r\n"},
      {"a line without colon", post + "Abc\r\n\r\n"},
      {"a field without name", post + ": c\r\n\r\n"},
      {"a carriage return in a value", post + "A: b\rc\r\n\r\n"},
      {"a zero byte in a value", post + std::string("A: b\0c\r\n\r\n", 10)},
      {"a chunk size that is none", chunked + "x\r\n"},
      {"an empty chunk size", chunked + "\r\n"},
      {"a chunk size with a sign", chunked + "-1\r\n"},
      {"a chunk size with a prefix", chunked + "0x1\r\n"},
      {"a chunk size beyond 64 bits", chunked + "10000000000000001\r\n"},
      {"a chunk size beyond 62 bits", chunked + "ffffffffffffffff\r\n"},
      {"a chunk line that ends in a bare line feed", chunked + "1\na\r\n0\r\n\r\n"},
      {"a chunk that is longer than it said", chunked + "1\r\nab\r\n0\r\n\r\n"},
      {"a chunk that ends in a bare line feed", chunked + "1\r\na\n0\r\n\r\n"},
      {"a carriage return in an extension", chunked + "1;a\rb\r\n"},
  };
  for (const auto& row : rows) {
    TestHost fresh;
    Http1Session session(&fresh);
    session.OnBytes(row.in);
    EXPECT_EQ(fresh.Output(session), kPage400) << row.what;
    EXPECT_TRUE(session.finished()) << row.what;
    EXPECT_TRUE(session.leaves_input_unread()) << row.what;
    EXPECT_TRUE(fresh.scripted().exchanges.empty()) << row.what;
  }
}

TEST_F(Http1Test, TwoEqualLengthsAreOne) {
  EXPECT_THAT(Send("POST /p HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na"),
              HasSubstr("POST /p a"));
}

TEST_F(Http1Test, AnswersLeaveInTheOrderOfTheRequests) {
  KeepRequests();
  EXPECT_EQ(Send("GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n\r\n"), "");
  ASSERT_EQ(exchanges().size(), 3u);
  host.TakeWantWrite();
  exchanges()[2]->Respond(Json(200, "c"));
  exchanges()[1]->Respond(Json(200, "b"));
  EXPECT_FALSE(host.TakeWantWrite());
  EXPECT_EQ(host.Output(session), "");
  exchanges()[0]->Respond(Json(200, "a"));
  EXPECT_TRUE(host.TakeWantWrite());
  EXPECT_EQ(host.Output(session), Echoed("a") + Echoed("b") + Echoed("c"));
  EXPECT_FALSE(session.finished());
}

TEST_F(Http1Test, AnAnswerFromAnotherThreadHopsToTheLoopAndTheFirstAnswerCounts) {
  KeepRequests();
  Send("GET /a HTTP/1.1\r\n\r\n");
  std::thread([exchange = exchanges()[0]] {
    exchange->Respond(Json(200, "first"));
    exchange->Respond(Json(200, "second"));
  }).join();
  exchanges().clear();
  EXPECT_EQ(host.Output(session), "");
  host.RunTurn();
  EXPECT_TRUE(host.TakeWantWrite());
  EXPECT_EQ(host.Output(session), Echoed("first"));
}

TEST_F(Http1Test, AnExchangeDroppedUnansweredIsA500) {
  host.scripted().on_request = [this](ExchangePtr exchange) {
    exchanges().clear();
    std::thread([dropped = std::move(exchange)]() mutable { dropped.reset(); }).join();
  };
  Send("GET /a HTTP/1.1\r\n\r\n");
  host.RunTurn();
  EXPECT_THAT(host.Output(session), StartsWith("HTTP/1.1 500 Internal Server Error\r\n"));
  EXPECT_TRUE(session.finished());
}

TEST_F(Http1Test, AClosedConnectionCancelsWhatIsUnanswered) {
  KeepRequests();
  Send("GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n");
  std::string cancelled;
  exchanges()[0]->OnCancel([&] { cancelled += "a"; });
  exchanges()[1]->OnCancel([&] { cancelled += "b"; });
  exchanges()[1]->Respond(Json(200, "b"));
  session.OnClosed();
  EXPECT_EQ(cancelled, "a");
  EXPECT_TRUE(exchanges()[0]->cancelled());
  exchanges()[0]->Respond(Json(200, "a"));  // goes nowhere
  host.RunTurn();
}

TEST_F(Http1Test, AnExchangeMayOutliveItsSession) {
  KeepRequests();
  auto mortal = std::make_unique<Http1Session>(&host);
  mortal->OnBytes("GET /a HTTP/1.1\r\n\r\n");
  mortal.reset();
  std::thread([exchange = std::move(exchanges()[0])] { exchange->Respond(Json(200, "a")); }).join();
  host.RunTurn();
}

TEST_F(Http1Test, APeerThatShutItsHalfStillGetsItsAnswers) {
  KeepRequests();
  Send("GET /a HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf");
  EXPECT_TRUE(session.OnEndOfInput());
  EXPECT_FALSE(session.finished());
  EXPECT_FALSE(exchanges()[0]->cancelled());
  exchanges()[0]->Respond(Json(200, "a"));
  EXPECT_EQ(host.Output(session), Echoed("a"));
  EXPECT_TRUE(session.finished());
  EXPECT_EQ(exchanges().size(), 1u);
}

TEST_F(Http1Test, APeerThatShutItsHalfBetweenRequestsIsDone) {
  Send("GET /a HTTP/1.1\r\n\r\n");
  EXPECT_FALSE(session.OnEndOfInput());
}

TEST_F(Http1Test, ContinueIsSaidWhenTheBodyIsAwaitedAndInItsTurn) {
  KeepRequests();
  const std::string head = "POST /b HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
  EXPECT_EQ(Send("GET /a HTTP/1.1\r\n\r\n" + head), "");
  exchanges()[0]->Respond(Json(200, "a"));
  EXPECT_EQ(host.Output(session), Echoed("a") + "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(Send("x"), "");
  exchanges()[1]->Respond(Json(200, "b"));
  EXPECT_EQ(host.Output(session), Echoed("b"));
  EXPECT_EQ(Send(head), "HTTP/1.1 100 Continue\r\n\r\n");
  // HTTP/1.0 knows no such thing.
  EXPECT_EQ(Send("x"), "");
}

TEST_F(Http1Test, TooLargeABodyIsAnsweredBeforeItIsRead) {
  host.scripted().max_body_bytes = 10;
  EXPECT_THAT(Send("POST /p HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n"),
              StartsWith("HTTP/1.1 413 Request Entity Too Large\r\n"));
  EXPECT_TRUE(session.finished());
  EXPECT_TRUE(session.leaves_input_unread());
  EXPECT_EQ(host.scripted().too_large.size(), 1u);
  EXPECT_TRUE(exchanges().empty());
}

TEST_F(Http1Test, ChunksMayBringAsMuchAsIsAllowedAndNoMore) {
  host.scripted().max_body_bytes = 10;
  const std::string head =
      "POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n";
  EXPECT_THAT(Send(head + "2\r\n90\r\n0\r\n\r\n"), HasSubstr("POST /p 1234567890"));
  EXPECT_THAT(Send(head + "3\r\n901\r\n"), StartsWith("HTTP/1.1 413 "));
  EXPECT_TRUE(session.finished());
}

TEST_F(Http1Test, ALargeBodyArrivesWholeInManyPieces) {
  std::string body;
  for (int i = 0; i < 400'000; ++i) {
    body += std::to_string(i);
  }
  for (const bool chunked : {false, true}) {
    std::string in = "POST /p HTTP/1.1\r\n";
    if (chunked) {
      in += "Transfer-Encoding: chunked\r\n\r\n";
      for (size_t at = 0; at < body.size(); at += 70'000) {
        const std::string piece = body.substr(at, 70'000);
        char size[16];
        std::snprintf(size, sizeof(size), "%zx\r\n", piece.size());
        in += size + piece + "\r\n";
      }
      in += "0\r\n\r\n";
    } else {
      in += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    }
    exchanges().clear();
    for (size_t at = 0; at < in.size(); at += 33'333) {
      session.OnBytes(std::string_view(in).substr(at, 33'333));
    }
    ASSERT_EQ(exchanges().size(), 1u);
    EXPECT_TRUE(exchanges()[0]->request().body.view() == body);
    host.Output(session);
  }
}

TEST_F(Http1Test, AnAnnouncedLengthAloneTakesLittleMemory) {
  BodyBuffer buffer;
  buffer.Append("x", uint64_t{1} << 40);
  EXPECT_EQ(buffer.size(), 1u);
  EXPECT_EQ(buffer.Take().view(), "x");
}

TEST_F(Http1Test, HeadsAreBoundedInBytesAndNumber) {
  host.mutable_limits().max_header_bytes = 1000;
  EXPECT_THAT(Send("GET / HTTP/1.1\r\nA: " + std::string(1000, 'a')), StartsWith("HTTP/1.1 413 "));
  EXPECT_TRUE(session.finished());
  Http1Session whole(&host);
  whole.OnBytes("GET / HTTP/1.1\r\nA: " + std::string(1000, 'a') + "\r\n\r\n");
  EXPECT_THAT(host.Output(whole), StartsWith("HTTP/1.1 413 "));
  Http1Session second(&host);
  host.mutable_limits().max_headers = 3;
  second.OnBytes("GET / HTTP/1.1\r\nA:\r\nB:\r\nC:\r\n\r\n");
  EXPECT_THAT(host.Output(second), HasSubstr("200 OK"));
  second.OnBytes("GET / HTTP/1.1\r\nA:\r\nB:\r\nC:\r\nD:\r\n\r\n");
  EXPECT_EQ(host.Output(second), kPage400);
}

TEST_F(Http1Test, ExtensionsAndTrailersAreBounded) {
  host.mutable_limits().max_header_bytes = 1000;
  const std::string head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string extensions;
  std::string trailers = "0\r\n";
  for (int i = 0; i < 30; ++i) {
    extensions += "1;" + std::string(50, 'x') + "\r\na\r\n";
    trailers += "T" + std::string(50, 'x') + ": v\r\n";
  }
  const std::string endless = "1;" + std::string(2000, 'x');
  for (const std::string& rest : {extensions, trailers, endless}) {
    Http1Session fresh(&host);
    fresh.OnBytes(head + rest);
    EXPECT_EQ(host.Output(fresh), kPage400);
  }
}

TEST_F(Http1Test, AHeadMustCompleteInTime) {
  EXPECT_EQ(Send("GET / HTTP/1.1\r\nHo"), "");
  host.Advance(absl::Seconds(59));
  EXPECT_EQ(Send("st: a\r\n"), "");
  EXPECT_FALSE(host.TakeWantWrite());
  host.Advance(absl::Seconds(2));
  EXPECT_TRUE(host.TakeWantWrite());
  EXPECT_THAT(host.Output(session), StartsWith("HTTP/1.1 408 Request Time-out\r\n"));
  EXPECT_TRUE(session.finished());
}

TEST_F(Http1Test, ABodyMayComeSlowlyButMustCome) {
  EXPECT_EQ(Send("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n"), "");
  for (int i = 0; i < 5; ++i) {
    host.Advance(absl::Seconds(59));
    EXPECT_EQ(Send("x"), "");
  }
  host.reads = false;  // silence of our own making
  host.Advance(absl::Hours(1));
  EXPECT_FALSE(host.TakeWantWrite());
  host.reads = true;
  host.Advance(absl::Seconds(59));
  EXPECT_FALSE(host.TakeWantWrite());
  host.Advance(absl::Seconds(2));
  EXPECT_TRUE(host.TakeWantWrite());
  EXPECT_THAT(host.Output(session), StartsWith("HTTP/1.1 408 Request Time-out\r\n"));
  EXPECT_TRUE(session.finished());
}

TEST_F(Http1Test, AWholeBodyWaitsForItsAnswerInPeace) {
  host.scripted().on_request = nullptr;  // keeps it
  EXPECT_EQ(Send("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nx"), "");
  EXPECT_EQ(Send("y"), "");
  host.Advance(absl::Hours(24));
  EXPECT_FALSE(host.TakeWantWrite());
  EXPECT_FALSE(session.finished());
}

TEST_F(Http1Test, AnIdleConnectionMayBeSilentForever) {
  Send("GET / HTTP/1.1\r\n");
  Send("\r\n");
  host.Advance(absl::Hours(24));
  EXPECT_FALSE(host.TakeWantWrite());
  EXPECT_FALSE(session.finished());
}

TEST_F(Http1Test, RequestsAreReadAheadOnlyUpToTheLimit) {
  KeepRequests();
  host.mutable_limits().max_pipelined = 4;
  std::string in;
  for (int i = 0; i < 10; ++i) {
    in += "GET /" + std::to_string(i) + " HTTP/1.1\r\n\r\n";
  }
  Send(in);
  EXPECT_EQ(exchanges().size(), 4u);
  EXPECT_FALSE(session.wants_input());
  EchoRequests();
  std::string expected = Echoed("0") + Echoed("1") + Echoed("2") + Echoed("3");
  for (int i = 0; i < 4; ++i) {
    exchanges()[static_cast<size_t>(i)]->Respond(Json(200, std::to_string(i)));
  }
  for (int i = 4; i < 10; ++i) {
    expected += Echoed("GET /" + std::to_string(i) + " ");
  }
  EXPECT_EQ(host.Output(session), expected);
  EXPECT_TRUE(session.wants_input());
}

TEST_F(Http1Test, LargeBodiesAreNotReadAhead) {
  KeepRequests();
  const std::string large = std::string(5 << 20, 'x');
  const std::string request =
      "POST / HTTP/1.1\r\nContent-Length: " + std::to_string(large.size()) + "\r\n\r\n" + large;
  Send(request + "GET /next HTTP/1.1\r\n\r\n");
  EXPECT_EQ(exchanges().size(), 1u);
  EXPECT_FALSE(session.wants_input());
  exchanges()[0]->Respond(Json(200, ""));
  host.Output(session);
  EXPECT_EQ(exchanges().size(), 2u);
}

TEST_F(Http1Test, LargeAnswersDoNotPileUp) {
  host.scripted().on_request = [](ExchangePtr exchange) {
    exchange->Respond(Json(200, std::string(5 << 20, 'x')));
  };
  std::string in;
  for (int i = 0; i < 20; ++i) {
    in += "GET / HTTP/1.1\r\n\r\n";
  }
  Send("");
  session.OnBytes(in);
  EXPECT_EQ(exchanges().size(), 1u);
  host.Output(session, 1 << 20);
  EXPECT_LE(exchanges().size(), 2u);
  host.Output(session);
  EXPECT_EQ(exchanges().size(), 20u);
}

TEST_F(Http1Test, CollectsNoMoreThanThereIsRoomFor) {
  host.scripted().on_request = [](ExchangePtr exchange) {
    exchange->Respond(Json(200, std::string(1000, 'x')));
  };
  std::string in;
  for (int i = 0; i < 10; ++i) {
    in += "GET / HTTP/1.1\r\n\r\n";
  }
  session.OnBytes(in);
  size_t total = 0;
  for (size_t rounds = 0; total < 10'000; ++rounds) {
    const std::string out = host.Output(session, 2000);
    ASSERT_FALSE(out.empty());
    EXPECT_LT(out.size(), 3500u);
    total += out.size();
    ASSERT_LT(rounds, 10u);
  }
}

TEST_F(Http1Test, ADrainEndsAnIdleConnectionAtOnce) {
  Send("GET / HTTP/1.1\r\n\r\n");
  session.StartDrain();
  EXPECT_TRUE(host.TakeWantWrite());
  EXPECT_TRUE(session.finished());
}

TEST_F(Http1Test, ADrainAnswersWhatIsUnderWayAndSaysCloseInTheLastAnswer) {
  KeepRequests();
  Send("GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\nPOST /c HTTP/1.1\r\nContent-Le");
  session.StartDrain();
  EXPECT_FALSE(session.finished());
  exchanges()[0]->Respond(Json(200, "a"));
  exchanges()[1]->Respond(Json(200, "b"));
  EXPECT_EQ(host.Output(session), Echoed("a") + Echoed("b"));
  Send("ngth: 1\r\n\r\nxGET /d HTTP/1.1\r\n\r\n");
  ASSERT_EQ(exchanges().size(), 3u);
  exchanges()[2]->Respond(Json(200, "c"));
  EXPECT_EQ(host.Output(session), Echoed("c", "Connection: close\r\n"));
  EXPECT_TRUE(session.finished());
}

TEST_F(Http1Test, AnErrorPageWaitsForTheAnswersBeforeIt) {
  KeepRequests();
  EXPECT_EQ(Send("GET /a HTTP/1.1\r\n\r\nGARBAGE\r\n\r\n"), "");
  exchanges()[0]->Respond(Json(200, "a"));
  EXPECT_EQ(host.Output(session), Echoed("a") + kPage400);
  EXPECT_TRUE(session.finished());
}

TEST_F(Http1Test, AnAnswerThatClosesCancelsTheRequestsBehindIt) {
  KeepRequests();
  Send("GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n");
  exchanges()[0]->Respond(HtmlError(404));
  EXPECT_THAT(host.Output(session), StartsWith("HTTP/1.1 404 Not Found\r\n"));
  EXPECT_TRUE(session.finished());
  EXPECT_TRUE(exchanges()[1]->cancelled());
}

TEST_F(Http1Test, AnswersAreWrittenInTheStockOrderOfFields) {
  struct {
    const char* request;
    Response response;
    std::string out;
  } rows[] = {
      // [O] options: a content type is added last when the handler gave none.
      {"OPTIONS /v1/ HTTP/1.1\r\n\r\n",
       {.status = 400, .headers = {{"Access-Control-Allow-Origin", "*"}}},
       "HTTP/1.1 400 Bad Request\r\nAccess-Control-Allow-Origin: *\r\n" + std::string(kDate) +
           "Content-Length: 0\r\nContent-Type: text/html; charset=ISO-8859-1\r\n\r\n"},
      // [O] get_root
      {"GET / HTTP/1.1\r\n\r\n", HtmlError(404),
       "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nConnection: close\r\n" +
           std::string(kDate) +
           "Content-Length: 90\r\n\r\n<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n"
           "<H1>Not Found</H1>\n</BODY></HTML>\n"},
      {"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
       {.status = 429, .headers = {{"Connection", "close"}, {"Content-Length", "0"}}},
       "HTTP/1.1 429 Client Error\r\nContent-Length: 0\r\n" + std::string(kDate) +
           "Content-Type: text/html; charset=ISO-8859-1\r\nConnection: close\r\n\r\n"},
      {"GET / HTTP/1.1\r\n\r\n",
       {.status = 204},
       "HTTP/1.1 204 No Content\r\n" + std::string(kDate) + "\r\n"},
      {"HEAD / HTTP/1.1\r\n\r\n",
       {.status = 200},
       "HTTP/1.1 200 OK\r\n" + std::string(kDate) + "\r\n"},
  };
  for (auto& row : rows) {
    Http1Session fresh(&host);
    host.scripted().on_request = [&](ExchangePtr exchange) { exchange->Respond(row.response); };
    fresh.OnBytes(row.request);
    EXPECT_EQ(host.Output(fresh), row.out) << row.request;
  }
}

TEST_F(Http1Test, ReasonsAreTheStockServersWords) {
  const std::pair<int, const char*> rows[] = {{200, "OK"},
                                              {401, "Unauthorized"},
                                              {403, "Forbidden"},
                                              {409, "Conflict"},
                                              {429, "Client Error"},
                                              {499, "Client Error"},
                                              {500, "Internal Server Error"},
                                              {503, "Service Unavailable"},
                                              {504, "Gateway Time-out"},
                                              {599, "Server Error"},
                                              {999, "Unknown Status Class"}};
  for (const auto& [status, reason] : rows) {
    EXPECT_EQ(ReasonPhrase(status), reason);
  }
}

// Collects a body part by part and answers when it is whole.
class Counting final : public StreamReader {
 public:
  explicit Counting(ExchangePtr exchange) : exchange_(std::move(exchange)) {}
  void OnData(std::string_view bytes) override { text_ += bytes; }
  void OnEnd() override {
    exchange_->StartStream(200, {{"Content-Type", "application/json"}});
    exchange_->Write(base::Buffer::FromString("got "));
    exchange_->Write(base::Buffer::FromString(text_));
    exchange_->Finish({});
  }

 private:
  ExchangePtr exchange_;
  std::string text_;
};

TEST_F(Http1Test, AStreamingHandlerReadsPartsAndItsAnswerLeavesWhole) {
  host.scripted().on_stream = [](const ExchangePtr& exchange) {
    return std::make_unique<Counting>(exchange);
  };
  EXPECT_EQ(Send("POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nab"), "");
  EXPECT_EQ(Send("cd"), Echoed("got abcd"));
  Send("POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nab");
  EXPECT_FALSE(session.OnEndOfInput());
}

TEST_F(Http1Test, ALateAnswerDoesNotReplaceTheErrorPageOfItsBrokenRequest) {
  KeepRequests();
  ExchangePtr streamed;
  host.scripted().on_stream = [&](const ExchangePtr& exchange) -> std::unique_ptr<StreamReader> {
    if (exchange->request().target == "/kept") {
      return nullptr;
    }
    streamed = exchange;
    return std::make_unique<Counting>(exchange);
  };
  Send("GET /kept HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
  ASSERT_NE(streamed, nullptr);
  EXPECT_TRUE(streamed->cancelled());
  streamed->Respond(Json(200, "late"));
  exchanges()[0]->Respond(Json(200, "a"));
  EXPECT_EQ(host.Output(session), Echoed("a") + kPage400);
}

}  // namespace
}  // namespace baton::net
