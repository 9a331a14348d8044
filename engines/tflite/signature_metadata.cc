#include "signature_metadata.h"

#include <cstring>
#include <utility>

namespace baton::tflite_engine {
namespace {

sdk::Status Invalid(const char* why) {
  return {sdk::Code::kInvalidArgument,
          std::string("Invalid SignatureDefs found in TfLite model: ") + why};
}

// A flexbuffer: values lie before what refers to them, as distances backwards.
class FlexReader {
 public:
  explicit FlexReader(std::string_view bytes) : bytes_(bytes) {}

  // The strings of a map of strings; false when it is something else.
  bool ReadMap(std::vector<std::pair<std::string_view, std::string_view>>* entries) {
    if (bytes_.size() < 3) return false;
    const auto root_width = static_cast<uint8_t>(bytes_.back());
    const auto root_type = static_cast<uint8_t>(bytes_[bytes_.size() - 2]);
    if (!IsWidth(root_width) || bytes_.size() < size_t{root_width} + 2) return false;
    if (root_type >> 2 != kMap) return false;
    const uint64_t width = 1u << (root_type & 3);
    const uint64_t map = Back(bytes_.size() - 2 - root_width, root_width);
    if (map < 3 * width) return false;
    const uint64_t count = Number(map - width, width);
    const uint64_t key_width = Number(map - 2 * width, width);
    const uint64_t keys = Back(map - 3 * width, width);
    if (!IsWidth(key_width) || is_broken_ || count > bytes_.size() / (width + 1)) return false;
    for (uint64_t i = 0; i < count; ++i) {
      const auto type = static_cast<uint8_t>(Number(map + count * width + i, 1));
      if (type >> 2 != kString && type >> 2 != kBlob) return false;
      const uint64_t key = Back(keys + i * key_width, key_width);
      const uint64_t value = Back(map + i * width, width);
      const uint64_t size_width = 1u << (type & 3);
      if (is_broken_ || value < size_width) return false;
      const uint64_t size = Number(value - size_width, size_width);
      const size_t end = bytes_.find('\0', key);
      if (is_broken_ || end == std::string_view::npos || size > bytes_.size() - value) return false;
      entries->emplace_back(bytes_.substr(key, end - key), bytes_.substr(value, size));
    }
    return true;
  }

 private:
  static constexpr uint8_t kString = 5, kMap = 9, kBlob = 25;

  static bool IsWidth(uint64_t width) {
    return width == 1 || width == 2 || width == 4 || width == 8;
  }
  uint64_t Number(uint64_t position, uint64_t width) {
    uint64_t number = 0;
    if (position > bytes_.size() || width > bytes_.size() - position) {
      is_broken_ = true;
    } else {
      std::memcpy(&number, bytes_.data() + position, width);
    }
    return number;
  }
  uint64_t Back(uint64_t position, uint64_t width) {
    const uint64_t distance = Number(position, width);
    if (distance > position) is_broken_ = true;
    return is_broken_ ? 0 : position - distance;
  }

  const std::string_view bytes_;
  bool is_broken_ = false;
};

// The fields of one protobuf message, in turn.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : bytes_(bytes) {}

  // False at the end and when the message is broken.
  bool Next() {
    if (bytes_.empty()) return false;
    const uint64_t tag = Varint();
    number_ = tag >> 3;
    switch (tag & 7) {
      case 0:
        value_ = Varint();
        text_ = {};
        break;
      case 1:
        text_ = Take(8);
        break;
      case 2:
        text_ = Take(Varint());
        break;
      case 5:
        text_ = Take(4);
        break;
      default:
        is_broken_ = true;
    }
    return !is_broken_;
  }
  uint64_t number() const { return number_; }
  uint64_t value() const { return value_; }
  std::string_view text() const { return text_; }
  bool is_broken() const { return is_broken_; }

 private:
  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(bytes_.front());
      bytes_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    is_broken_ = true;
    return 0;
  }
  std::string_view Take(uint64_t size) {
    if (size > bytes_.size()) {
      is_broken_ = true;
      size = 0;
    }
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

  std::string_view bytes_;
  std::string_view text_;
  uint64_t number_ = 0;
  uint64_t value_ = 0;
  bool is_broken_ = false;
};

// TensorShapeProto.
bool ReadShape(std::string_view bytes, std::optional<std::vector<int64_t>>* dims) {
  std::vector<int64_t> read;
  bool is_unknown = false;
  FieldReader shape(bytes);
  while (shape.Next()) {
    if (shape.number() == 3) is_unknown = shape.value() != 0;
    if (shape.number() != 2) continue;
    int64_t size = 0;
    FieldReader dim(shape.text());
    while (dim.Next()) {
      if (dim.number() == 1) size = static_cast<int64_t>(dim.value());
    }
    if (dim.is_broken()) return false;
    read.push_back(size);
  }
  if (is_unknown) {
    dims->reset();
  } else {
    *dims = std::move(read);
  }
  return !shape.is_broken();
}

// TensorInfo.
bool ReadPort(std::string_view bytes, DeclaredSignature::Port* port) {
  FieldReader info(bytes);
  while (info.Next()) {
    if (info.number() == 1) port->tensor_name = info.text();
    if (info.number() == 2) port->dtype = static_cast<int32_t>(info.value());
    if (info.number() == 3 && !ReadShape(info.text(), &port->dims)) return false;
  }
  return !info.is_broken();
}

bool ReadEntry(std::string_view bytes, std::map<std::string, DeclaredSignature::Port>* ports) {
  std::string name;
  DeclaredSignature::Port port;
  FieldReader entry(bytes);
  while (entry.Next()) {
    if (entry.number() == 1) name = entry.text();
    if (entry.number() == 2 && !ReadPort(entry.text(), &port)) return false;
  }
  (*ports)[name] = std::move(port);
  return !entry.is_broken();
}

bool ReadSignature(std::string_view bytes, DeclaredSignature* signature) {
  FieldReader def(bytes);
  while (def.Next()) {
    if (def.number() == 1 && !ReadEntry(def.text(), &signature->inputs)) return false;
    if (def.number() == 2 && !ReadEntry(def.text(), &signature->outputs)) return false;
    if (def.number() == 3) signature->method_name = def.text();
  }
  return !def.is_broken();
}

}  // namespace

sdk::Result<std::map<std::string, DeclaredSignature>> ReadSignatureMetadata(
    std::string_view bytes) {
  std::vector<std::pair<std::string_view, std::string_view>> entries;
  if (!FlexReader(bytes).ReadMap(&entries)) return Invalid("the metadata are no map of texts");
  std::map<std::string, DeclaredSignature> signatures;
  for (const auto& [name, def] : entries) {
    if (!ReadSignature(def, &signatures[std::string(name)])) {
      return Invalid("one of them is no SignatureDef");
    }
  }
  return signatures;
}

}  // namespace baton::tflite_engine
