#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "baton/engine_abi.h"

namespace baton::tflite_engine {

// TensorFlow Lite's form of a string tensor: the number of strings, where each begins and the last
// ends, and their bytes; numbers of 32 bits, positions counted from the beginning.

// Replaces `packed`; false when it would be 2 GiB or more.
bool PackStrings(const baton_str* strings, uint64_t count, std::vector<char>* packed);

// The number of strings, or -1 for what is no such form. `bytes` is their total.
int64_t CountStrings(std::string_view packed, uint64_t* bytes);

// Of what CountStrings accepted.
std::string_view StringAt(std::string_view packed, int64_t i);

}  // namespace baton::tflite_engine
