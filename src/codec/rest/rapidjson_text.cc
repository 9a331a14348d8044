#include "codec/rest/rapidjson_text.h"

#include <vector>

#include "base/strings.h"
#include "rapidjson/encodedstream.h"
#include "rapidjson/error/en.h"
#include "rapidjson/memorystream.h"
#include "rapidjson/prettywriter.h"
#include "rapidjson/reader.h"
#include "rapidjson/stringbuffer.h"

namespace baton::codec::rest {
namespace {

using rapidjson::SizeType;
using Writer = rapidjson::PrettyWriter<rapidjson::StringBuffer>;

constexpr size_t kDebugLimit = 256;
constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseStopWhenDoneFlag |
                            rapidjson::kParseNanAndInfFlag;

// Events go nowhere.
struct Ignore : rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Ignore> {};

struct KeepNumber : rapidjson::BaseReaderHandler<rapidjson::UTF8<>, KeepNumber> {
  bool Int(int v) { return Double(v); }
  bool Uint(unsigned v) { return Double(v); }
  bool Int64(int64_t v) { return Double(static_cast<double>(v)); }
  bool Uint64(uint64_t v) { return Double(static_cast<double>(v)); }
  bool Double(double v) {
    value = v;
    return true;
  }
  double value = 0;
};

template <typename Handler>
rapidjson::ParseResult Parse(std::string_view text, Handler& handler) {
  rapidjson::MemoryStream bytes(text.data(), text.size());
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(bytes);
  rapidjson::Reader reader;
  return reader.Parse<kFlags>(stream, handler);
}

// Hands a tape to a RapidJSON writer, one token at a time, with an explicit stack.
class Printer {
 public:
  explicit Printer(const JsonTape& tape) : tape_(tape), writer_(out_) {
    writer_.SetFormatOptions(rapidjson::kFormatSingleLineArray);
  }

  std::string Print(size_t at) {
    bool is_going = Value(at);
    while (is_going && !open_.empty()) {
      Frame& frame = open_.back();
      if (frame.at == frame.end) {
        const bool is_object = frame.is_object;
        open_.pop_back();
        is_going = HasRoom() && (is_object ? writer_.EndObject() : writer_.EndArray());
        continue;
      }
      size_t value = frame.at;
      if (frame.is_object) {
        is_going = HasRoom() && String(value);
        value += 2;
      }
      frame.at = tape_.next(value);
      is_going = is_going && Value(value);
    }
    return std::string(out_.GetString(), out_.GetSize());
  }

 private:
  struct Frame {
    size_t at;
    size_t end;
    bool is_object;
  };

  bool HasRoom() const { return out_.GetSize() < kDebugLimit; }

  bool String(size_t at) {
    const std::string text = tape_.string_at(at);
    return writer_.String(text.data(), static_cast<SizeType>(text.size()));
  }

  bool Integer(size_t at) {
    const JsonInteger value = tape_.integer_at(at);
    return value.negative ? writer_.Int64(value.AsSigned()) : writer_.Uint64(value.bits);
  }

  bool Value(size_t at) {
    if (!HasRoom()) return false;
    switch (tape_.kind(at)) {
      case JsonKind::kNull:
        return writer_.Null();
      case JsonKind::kFalse:
        return writer_.Bool(false);
      case JsonKind::kTrue:
        return writer_.Bool(true);
      case JsonKind::kString:
        return String(at);
      case JsonKind::kDouble:
        return writer_.Double(tape_.double_at(at));
      case JsonKind::kInt:
      case JsonKind::kBigInt:
        return Integer(at);
      case JsonKind::kArray:
        open_.push_back({at + 2, tape_.next(at), false});
        return writer_.StartArray();
      case JsonKind::kObject:
        open_.push_back({at + 2, tape_.next(at), true});
        return writer_.StartObject();
    }
    return false;
  }

  const JsonTape& tape_;
  rapidjson::StringBuffer out_;
  Writer writer_;
  std::vector<Frame> open_;
};

}  // namespace

absl::Status ParseError(std::string_view text, size_t offset) {
  Ignore ignore;
  const rapidjson::ParseResult result = Parse(text, ignore);
  if (!result.IsError()) {  // the two readers disagree, which the fuzzer looks for
    return absl::InvalidArgumentError(
        base::StrCat("JSON Parse error: Invalid value. at offset: ", offset));
  }
  return absl::InvalidArgumentError(
      base::StrCat("JSON Parse error: ", rapidjson::GetParseError_En(result.Code()),
                   " at offset: ", result.Offset()));
}

std::string DebugText(const JsonTape& tape, size_t at) { return Printer(tape).Print(at); }

std::string_view TypeName(JsonKind kind) {
  switch (kind) {
    case JsonKind::kNull:
      return "Null";
    case JsonKind::kFalse:
      return "False";
    case JsonKind::kTrue:
      return "True";
    case JsonKind::kObject:
      return "Object";
    case JsonKind::kArray:
      return "Array";
    case JsonKind::kString:
      return "String";
    default:
      return "Number";
  }
}

bool ReadNumberWithRapidJson(std::string_view token, double* value) {
  KeepNumber keep;
  if (Parse(token, keep).IsError()) return false;
  *value = keep.value;
  return true;
}

}  // namespace baton::codec::rest
