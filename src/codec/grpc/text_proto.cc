#include "codec/grpc/text_proto.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "codec/grpc/wire_reader.h"

namespace baton::codec::grpc {
namespace {

// Logs every complaint the way protobuf's own collector words it; scripts look for these lines.
class LoggingCollector : public google::protobuf::io::ErrorCollector {
 public:
  explicit LoggingCollector(std::string type) : type_(std::move(type)) {}

  void AddError(int line, int column, const std::string& message) override {
    base::LogError(
        base::StrCat("Error parsing text-format ", type_, ": ", Place(line, column), message));
  }
  void AddWarning(int line, int column, const std::string& message) override {
    base::LogWarning(
        base::StrCat("Warning parsing text-format ", type_, ": ", Place(line, column), message));
  }

 private:
  // Lines and columns are counted from 0 inside protobuf, from 1 in its texts; -1 is no place at
  // all.
  static std::string Place(int line, int column) {
    return line < 0 ? std::string() : base::StrCat(line + 1, ":", column + 1, ": ");
  }

  const std::string type_;
};

}  // namespace

absl::Status ParseTextProto(const std::string& path, const std::string& text,
                            google::protobuf::Message* message) {
  if (text.empty()) return absl::InvalidArgumentError(base::StrCat(path, "; Invalid argument"));
  LoggingCollector collector(message->GetTypeName());
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&collector);
  parser.SetRecursionLimit(kMaxWireDepth);
  if (parser.ParseFromString(text, message)) return absl::OkStatus();
  return absl::InvalidArgumentError(base::StrCat("Invalid protobuf file: '", path, "'"));
}

}  // namespace baton::codec::grpc
