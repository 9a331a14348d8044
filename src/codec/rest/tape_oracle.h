#pragma once

// Compares the tape of a text with what RapidJSON reads, event by event: for tests and the fuzzer.

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "codec/rest/json_reader.h"
#include "codec/rest/json_tape.h"
#include "rapidjson/encodedstream.h"
#include "rapidjson/memorystream.h"
#include "rapidjson/reader.h"

namespace baton::codec::rest {

// Returns false from the first event that the tape does not have in the same place.
class TapeOracle : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, TapeOracle> {
 public:
  explicit TapeOracle(const JsonTape& tape) : tape_(tape) {}

  bool is_at_end() const { return at_ == tape_.size() && ends_.empty(); }

  bool Null() { return Is(JsonKind::kNull) && Step(1); }
  bool Bool(bool value) { return Is(value ? JsonKind::kTrue : JsonKind::kFalse) && Step(1); }
  bool Int(int value) { return Int64(value); }
  bool Uint(unsigned value) { return Uint64(value); }
  bool Int64(int64_t value) {
    return IsInteger() && tape_.integer_at(at_).AsSigned() == value &&
           tape_.integer_at(at_).negative == (value < 0) && Step(1);
  }
  bool Uint64(uint64_t value) {
    return IsInteger() && tape_.integer_at(at_).bits == value && !tape_.integer_at(at_).negative &&
           Step(1);
  }
  bool Double(double value) {
    return Is(JsonKind::kDouble) && IsNear(tape_.double_at(at_), value) && Step(1);
  }
  bool String(const char* text, rapidjson::SizeType length, bool) {
    return Is(JsonKind::kString) && tape_.string_at(at_) == std::string_view(text, length) &&
           Step(2);
  }
  bool Key(const char* text, rapidjson::SizeType length, bool copy) {
    return String(text, length, copy);
  }
  bool StartObject() { return Open(JsonKind::kObject); }
  bool StartArray() { return Open(JsonKind::kArray); }
  bool EndObject(rapidjson::SizeType count) { return Close(count); }
  bool EndArray(rapidjson::SizeType count) { return Close(count); }

 private:
  bool Is(JsonKind kind) const { return at_ < tape_.size() && tape_.kind(at_) == kind; }
  bool IsInteger() const { return Is(JsonKind::kInt) || Is(JsonKind::kBigInt); }
  bool Step(size_t entries) {
    at_ += entries;
    return true;
  }
  // RapidJSON's decimals are off by a few units in the last place, more at the ends of the range.
  static bool IsNear(double ours, double theirs) {
    if (std::isnan(theirs)) return std::isnan(ours);
    if (std::isinf(theirs)) return ours == theirs || std::abs(ours) > 1e300;
    if (std::signbit(ours) != std::signbit(theirs)) return false;
    return std::abs(ours - theirs) <= std::abs(theirs) * 1e-13 || std::abs(ours) < 1e-290;
  }
  bool Open(JsonKind kind) {
    if (!Is(kind)) return false;
    ends_.push_back(at_);
    return Step(2);
  }
  bool Close(rapidjson::SizeType count) {
    if (ends_.empty() || tape_.count(ends_.back()) != count || tape_.next(ends_.back()) != at_) {
      return false;
    }
    ends_.pop_back();
    return true;
  }

  const JsonTape& tape_;
  size_t at_ = 0;
  std::vector<size_t> ends_;
};

// Empty when both readers say the same of the text; otherwise what differs.
inline std::string Disagreement(std::string_view text, int max_depth) {
  const auto tape = ReadJson(base::Buffer::Copy(text), max_depth);
  if (!tape.ok() && tape.status().message().find("levels of nesting") != absl::string_view::npos) {
    return "";
  }
  rapidjson::MemoryStream bytes(text.data(), text.size());
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(bytes);
  rapidjson::Reader reader;
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseStopWhenDoneFlag |
                              rapidjson::kParseNanAndInfFlag;
  if (!tape.ok()) {
    rapidjson::BaseReaderHandler<> ignore;
    return reader.Parse<kFlags>(stream, ignore).IsError() ? "" : "only RapidJSON takes it";
  }
  TapeOracle oracle(*tape);
  if (reader.Parse<kFlags>(stream, oracle).IsError()) {
    return reader.GetParseErrorCode() == rapidjson::kParseErrorTermination
               ? "values differ"
               : "only the tape takes it";
  }
  return oracle.is_at_end() ? "" : "the tape has more";
}

}  // namespace baton::codec::rest
