#include "packed_strings.h"

#include <cstring>

namespace baton::tflite_engine {
namespace {

int32_t NumberAt(std::string_view packed, uint64_t i) {
  int32_t number;
  std::memcpy(&number, packed.data() + 4 * i, 4);
  return number;
}

}  // namespace

bool PackStrings(const baton_str* strings, uint64_t count, std::vector<char>* packed) {
  constexpr uint64_t kMost = INT32_MAX;
  if (count > kMost / 4 - 2) return false;
  const uint64_t head = 4 * (count + 2);
  uint64_t total = head;
  for (uint64_t i = 0; i < count; ++i) {
    if (strings[i].size > kMost - total) return false;
    total += strings[i].size;
  }
  packed->resize(total);
  char* numbers = packed->data();
  char* bytes = packed->data() + head;
  const auto put = [&numbers](uint64_t number) {
    const auto narrow = static_cast<int32_t>(number);
    std::memcpy(numbers, &narrow, 4);
    numbers += 4;
  };
  put(count);
  for (uint64_t i = 0; i < count; ++i) {
    put(static_cast<uint64_t>(bytes - packed->data()));
    if (strings[i].size > 0) std::memcpy(bytes, strings[i].data, strings[i].size);
    bytes += strings[i].size;
  }
  put(total);
  return true;
}

int64_t CountStrings(std::string_view packed, uint64_t* bytes) {
  *bytes = 0;
  if (packed.size() < 4) return packed.empty() ? 0 : -1;
  const int64_t count = NumberAt(packed, 0);
  if (count < 0) return -1;
  if (count == 0) return 0;
  const uint64_t head = 4 * (static_cast<uint64_t>(count) + 2);
  if (head > packed.size()) return -1;
  uint64_t last = head;
  for (int64_t i = 0; i <= count; ++i) {
    const int32_t position = NumberAt(packed, static_cast<uint64_t>(i) + 1);
    if (position < 0 || static_cast<uint64_t>(position) < last ||
        static_cast<uint64_t>(position) > packed.size()) {
      return -1;
    }
    last = static_cast<uint64_t>(position);
  }
  *bytes = last - static_cast<uint64_t>(NumberAt(packed, 1));
  return count;
}

std::string_view StringAt(std::string_view packed, int64_t i) {
  const auto at = static_cast<uint64_t>(i) + 1;
  const auto begin = static_cast<size_t>(NumberAt(packed, at));
  return packed.substr(begin, static_cast<size_t>(NumberAt(packed, at + 1)) - begin);
}

}  // namespace baton::tflite_engine
