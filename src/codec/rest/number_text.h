#pragma once

#include <cstddef>
#include <cstdint>

namespace baton::codec::rest {

// Room one number needs: "-1.7976931348623157e+308" and ".0".
inline constexpr size_t kNumberRoom = 32;

// Writes the text TensorFlow Serving gives a number and returns its end (contract §4.6): six
// significant digits ("%g") when they read back as the same value, otherwise nine (float) or
// seventeen (double); ".0" behind whole numbers; NaN, Infinity and -Infinity as words. `out` has
// kNumberRoom bytes.
char* WriteFloat(float value, char* out);
char* WriteDouble(double value, char* out);

char* WriteSigned(int64_t value, char* out);
char* WriteUnsigned(uint64_t value, char* out);

}  // namespace baton::codec::rest
