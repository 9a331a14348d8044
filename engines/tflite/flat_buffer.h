#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace baton::tflite_engine {

class FlatTable;

// A flatbuffer of unknown origin, read in place. Whatever points out of the file reads as absent,
// zero or empty, and marks the file as broken: callers read on and ask once, at the end. Vectors
// may overlap in such a file, so the work of reading is bounded too, by a multiple of its size.
//
// Threads: confined to one. Owner: borrows the bytes.
class FlatFile {
 public:
  explicit FlatFile(std::string_view bytes) : bytes_(bytes), budget_(16 * bytes.size()) {}

  FlatTable Root();
  bool is_broken() const { return is_broken_; }

  // For FlatTable and FlatVector.
  template <typename T>
  T Read(uint64_t position) {
    T value{};
    if (Contains(position, sizeof(T))) {
      std::memcpy(&value, bytes_.data() + position, sizeof(T));
    } else {
      is_broken_ = true;
    }
    return value;
  }
  // The target of the reference at `position`; 0 when there is none.
  uint64_t Follow(uint64_t position) {
    const auto offset = Read<uint32_t>(position);
    if (offset == 0 || !Contains(position + offset, 4)) {
      is_broken_ = true;
      return 0;
    }
    return position + offset;
  }
  bool Contains(uint64_t position, uint64_t size) const {
    return position <= bytes_.size() && size <= bytes_.size() - position;
  }
  std::string_view Bytes(uint64_t position, uint64_t size) const {
    return bytes_.substr(position, size);
  }
  void Break() { is_broken_ = true; }
  bool Spend(uint64_t bytes) {
    if (bytes > budget_) return false;
    budget_ -= bytes;
    return true;
  }

 private:
  const std::string_view bytes_;
  uint64_t budget_;
  bool is_broken_ = false;
};

// The elements of a vector; empty when the field is absent.
class FlatVector {
 public:
  FlatVector() = default;
  FlatVector(FlatFile* file, uint64_t position, uint32_t element_size)
      : file_(file), position_(position) {
    const auto size = file->Read<uint32_t>(position);
    const uint64_t bytes = uint64_t{size} * element_size;
    if (!file->Contains(position + 4, bytes) || !file->Spend(bytes)) {
      file->Break();
      return;
    }
    size_ = size;
  }

  uint32_t size() const { return size_; }
  uint64_t position() const { return position_; }
  int32_t Int(uint32_t i) const { return file_->Read<int32_t>(position_ + 4 + 4 * uint64_t{i}); }
  uint64_t Target(uint32_t i) const { return file_->Follow(position_ + 4 + 4 * uint64_t{i}); }
  inline FlatTable Table(uint32_t i) const;
  std::string_view bytes() const {
    return size_ == 0 ? std::string_view() : file_->Bytes(position_ + 4, size_);
  }

 private:
  FlatFile* file_ = nullptr;
  uint64_t position_ = 0;
  uint32_t size_ = 0;
};

// A table; every field of an absent one is absent. Fields are numbered as in the schema, from 0.
class FlatTable {
 public:
  FlatTable() = default;
  FlatTable(FlatFile* file, uint64_t position) : file_(file), position_(position) {
    const auto back = file->Read<int32_t>(position);
    const int64_t vtable = static_cast<int64_t>(position) - back;
    if (position == 0 || vtable < 0 || !file->Contains(static_cast<uint64_t>(vtable), 4) ||
        !file->Spend(8)) {
      file->Break();
      return;
    }
    vtable_ = static_cast<uint64_t>(vtable);
    vtable_size_ = file->Read<uint16_t>(vtable_);
    size_ = file->Read<uint16_t>(vtable_ + 2);
    if (!file->Contains(vtable_, vtable_size_) || !file->Contains(position, size_)) {
      file->Break();
      vtable_size_ = 0;
    }
  }

  bool exists() const { return vtable_size_ != 0; }
  uint64_t position() const { return position_; }
  bool Has(uint32_t field) const { return Find(field) != 0; }
  // The number of fields up to the last one that is there.
  uint32_t num_fields() const { return vtable_size_ < 4 ? 0 : (vtable_size_ - 4) / 2; }

  template <typename T>
  T Number(uint32_t field, T otherwise = {}) const {
    const uint64_t at = Find(field);
    return at == 0 ? otherwise : file_->Read<T>(at);
  }
  FlatVector Vector(uint32_t field, uint32_t element_size) const {
    const uint64_t at = Find(field);
    const uint64_t target = at == 0 ? 0 : file_->Follow(at);
    return target == 0 ? FlatVector() : FlatVector(file_, target, element_size);
  }
  FlatTable Table(uint32_t field) const {
    const uint64_t at = Find(field);
    const uint64_t target = at == 0 ? 0 : file_->Follow(at);
    return target == 0 ? FlatTable() : FlatTable(file_, target);
  }
  // Up to the first NUL, as the runtime reads it.
  std::string_view String(uint32_t field) const {
    const std::string_view text = Vector(field, 1).bytes();
    return text.substr(0, text.find('\0'));
  }

 private:
  uint64_t Find(uint32_t field) const {
    const uint64_t entry = 4 + 2 * uint64_t{field};
    if (entry + 2 > vtable_size_) return 0;
    const auto offset = file_->Read<uint16_t>(vtable_ + entry);
    return offset == 0 ? 0 : position_ + offset;
  }

  FlatFile* file_ = nullptr;
  uint64_t position_ = 0;
  uint64_t vtable_ = 0;
  uint32_t vtable_size_ = 0;
  uint32_t size_ = 0;
};

inline FlatTable FlatVector::Table(uint32_t i) const {
  const uint64_t target = Target(i);
  return target == 0 ? FlatTable() : FlatTable(file_, target);
}

inline FlatTable FlatFile::Root() {
  const uint64_t target = Follow(0);
  return target == 0 ? FlatTable() : FlatTable(this, target);
}

}  // namespace baton::tflite_engine
