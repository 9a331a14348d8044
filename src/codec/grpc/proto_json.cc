#include "codec/grpc/proto_json.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/wrappers.pb.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string_view>
#include <vector>

#include "absl/strings/charconv.h"
#include "absl/strings/escaping.h"
#include "base/strings.h"

namespace baton::codec::grpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

struct CodePoint {
  uint32_t value;
  size_t bytes;
};

// REQUIRES: valid UTF-8, which parsed strings are; a stray byte stands for itself.
CodePoint Decode(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(text[i])); };
  const uint32_t lead = byte(0);
  const auto more = [&](size_t i) { return byte(i) & 0x3f; };
  if (lead >= 0xf0 && text.size() >= 4)
    return {(lead & 7) << 18 | more(1) << 12 | more(2) << 6 | more(3), 4};
  if (lead >= 0xe0 && text.size() >= 3) return {(lead & 15) << 12 | more(1) << 6 | more(2), 3};
  if (lead >= 0xc0 && text.size() >= 2) return {(lead & 31) << 6 | more(1), 2};
  return {lead, 1};
}

// Beyond what JSON demands, protobuf escapes what a browser or an editor could take for something
// else: angle brackets, controls, invisible and direction marks.
bool MustEscape(uint32_t c) {
  struct Range {
    uint32_t first, last;
  };
  static constexpr Range kRanges[] = {
      {0x00, 0x1f},     {0x7f, 0x9f},       {0xad, 0xad},       {0x600, 0x603},
      {0x6dd, 0x6dd},   {0x70f, 0x70f},     {0x17b4, 0x17b5},   {0x200b, 0x200f},
      {0x2028, 0x202e}, {0x2060, 0x2064},   {0x206a, 0x206f},   {0xfeff, 0xfeff},
      {0xfff9, 0xfffb}, {0x1d173, 0x1d17a}, {0xe0001, 0xe0001}, {0xe0020, 0xe007f}};
  if (c == '"' || c == '\\' || c == '<' || c == '>') return true;
  return std::any_of(std::begin(kRanges), std::end(kRanges),
                     [c](const Range& range) { return c >= range.first && c <= range.last; });
}

void AppendUnit(uint32_t unit, std::string* out) {
  char text[8];
  std::snprintf(text, sizeof(text), "\\u%04x", unit);
  *out += text;
}

void AppendEscaped(uint32_t c, std::string* out) {
  switch (c) {
    case '"':
      *out += "\\\"";
      return;
    case '\\':
      *out += "\\\\";
      return;
    case '\b':
      *out += "\\b";
      return;
    case '\f':
      *out += "\\f";
      return;
    case '\n':
      *out += "\\n";
      return;
    case '\r':
      *out += "\\r";
      return;
    case '\t':
      *out += "\\t";
      return;
  }
  if (c > 0xffff) {
    AppendUnit(0xd800 + ((c - 0x10000) >> 10), out);
    c = 0xdc00 + ((c - 0x10000) & 0x3ff);
  }
  AppendUnit(c, out);
}

void AppendQuoted(std::string_view text, std::string* out) {
  *out += '"';
  while (!text.empty()) {
    const CodePoint c = Decode(text);
    if (MustEscape(c.value)) {
      AppendEscaped(c.value, out);
    } else {
      *out += text.substr(0, c.bytes);
    }
    text.remove_prefix(c.bytes);
  }
  *out += '"';
}

// The shortest of a few digits that reads back as the same number, else all of them.
template <typename T>
void AppendReal(T value, int digits, int all_digits, std::string* out) {
  if (std::isnan(value)) {
    *out += "\"NaN\"";
  } else if (std::isinf(value)) {
    *out += value < 0 ? "\"-Infinity\"" : "\"Infinity\"";
  } else {
    char text[40];
    std::snprintf(text, sizeof(text), "%.*g", digits, static_cast<double>(value));
    T back = 0;
    absl::from_chars(text, text + std::char_traits<char>::length(text), back);
    if (back != value)
      std::snprintf(text, sizeof(text), "%.*g", all_digits, static_cast<double>(value));
    *out += text;
  }
}

class Printer {
 public:
  void Print(const Message& message) {
    const Descriptor& type = *message.GetDescriptor();
    if (const auto* wrapped = dynamic_cast<const google::protobuf::Int64Value*>(&message)) {
      base::StrAppend(&out_, "\"", wrapped->value(), "\"");
      return;
    }
    Open('{');
    for (const FieldDescriptor* field : Fields(type)) {
      if (!IsPrinted(message, field)) continue;
      Key(field->name());
      PrintField(message, field);
    }
    Close('}');
  }

  std::string Take() && {
    out_ += '\n';
    return std::move(out_);
  }

 private:
  static std::vector<const FieldDescriptor*> Fields(const Descriptor& type) {
    std::vector<const FieldDescriptor*> fields;
    for (int i = 0; i < type.field_count(); ++i) fields.push_back(type.field(i));
    std::sort(fields.begin(), fields.end(),
              [](const auto* a, const auto* b) { return a->number() < b->number(); });
    return fields;
  }

  static bool IsPrinted(const Message& message, const FieldDescriptor* field) {
    return !field->has_presence() || message.GetReflection()->HasField(message, field);
  }

  void PrintField(const Message& message, const FieldDescriptor* field) {
    if (field->is_map()) {
      PrintMap(message, field);
    } else if (field->is_repeated()) {
      PrintList(message, field);
    } else {
      PrintValue(message, field, -1);
    }
  }

  void PrintList(const Message& message, const FieldDescriptor* field) {
    Open('[');
    const int size = message.GetReflection()->FieldSize(message, field);
    for (int i = 0; i < size; ++i) {
      NextItem();
      PrintValue(message, field, i);
    }
    Close(']');
  }

  void PrintMap(const Message& message, const FieldDescriptor* field) {
    const Reflection& reflection = *message.GetReflection();
    const FieldDescriptor* key = field->message_type()->map_key();
    std::vector<std::pair<std::string, const Message*>> entries;
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      const Message& entry = reflection.GetRepeatedMessage(message, field, i);
      entries.emplace_back(entry.GetReflection()->GetString(entry, key), &entry);
    }
    std::sort(entries.begin(), entries.end());
    Open('{');
    for (const auto& [name, entry] : entries) {
      Key(name);
      PrintValue(*entry, field->message_type()->map_value(), -1);
    }
    Close('}');
  }

  // `index` of a repeated field; -1: the field is single.
  void PrintValue(const Message& message, const FieldDescriptor* field, int index) {
    const Reflection& r = *message.GetReflection();
    const bool many = index >= 0;
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        base::StrAppend(
            &out_, many ? r.GetRepeatedInt32(message, field, index) : r.GetInt32(message, field));
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
        base::StrAppend(
            &out_, many ? r.GetRepeatedUInt32(message, field, index) : r.GetUInt32(message, field));
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        base::StrAppend(
            &out_, "\"",
            many ? r.GetRepeatedInt64(message, field, index) : r.GetInt64(message, field), "\"");
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        base::StrAppend(
            &out_, "\"",
            many ? r.GetRepeatedUInt64(message, field, index) : r.GetUInt64(message, field), "\"");
        break;
      case FieldDescriptor::CPPTYPE_FLOAT:
        AppendReal(many ? r.GetRepeatedFloat(message, field, index) : r.GetFloat(message, field), 6,
                   9, &out_);
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        AppendReal(many ? r.GetRepeatedDouble(message, field, index) : r.GetDouble(message, field),
                   15, 17, &out_);
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        out_ += (many ? r.GetRepeatedBool(message, field, index) : r.GetBool(message, field))
                    ? "true"
                    : "false";
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        PrintEnum(field, many ? r.GetRepeatedEnumValue(message, field, index)
                              : r.GetEnumValue(message, field));
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        PrintString(
            field, many ? r.GetRepeatedString(message, field, index) : r.GetString(message, field));
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        Print(many ? r.GetRepeatedMessage(message, field, index) : r.GetMessage(message, field));
        break;
    }
  }

  void PrintEnum(const FieldDescriptor* field, int number) {
    if (const auto* value = field->enum_type()->FindValueByNumber(number)) {
      base::StrAppend(&out_, "\"", value->name(), "\"");
    } else {
      base::StrAppend(&out_, number);
    }
  }

  void PrintString(const FieldDescriptor* field, const std::string& value) {
    if (field->type() == FieldDescriptor::TYPE_BYTES) {
      base::StrAppend(&out_, "\"", absl::Base64Escape(value), "\"");
    } else {
      AppendQuoted(value, &out_);
    }
  }

  void Open(char bracket) {
    out_ += bracket;
    is_empty_.push_back(true);
  }
  void NextItem() {
    if (!is_empty_.back()) out_ += ',';
    is_empty_.back() = false;
    NewLine();
  }
  void Key(std::string_view name) {
    NextItem();
    AppendQuoted(name, &out_);
    out_ += ": ";
  }
  void Close(char bracket) {
    const bool was_empty = is_empty_.back();
    is_empty_.pop_back();
    if (!was_empty) NewLine();
    out_ += bracket;
  }
  void NewLine() {
    out_ += '\n';
    out_.append(is_empty_.size(), ' ');
  }

  std::string out_;
  std::vector<bool> is_empty_;  // of the brackets that are open, outermost first
};

}  // namespace

std::string ProtoJson(const Message& message) {
  Printer printer;
  printer.Print(message);
  return std::move(printer).Take();
}

}  // namespace baton::codec::grpc
