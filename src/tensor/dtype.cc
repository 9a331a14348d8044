#include "tensor/dtype.h"

namespace baton::tensor {
namespace {

struct Entry {
  std::string_view name;
  std::string_view enum_name;
  std::string_view ref_name;
  uint8_t bytes;
};

#define ENTRY(lower, upper, bytes) \
  Entry { lower, "DT_" upper, lower "_ref", bytes }
// Indexed by DType.
constexpr Entry kEntries[] = {
    ENTRY("invalid", "INVALID", 0),
    ENTRY("float", "FLOAT", 4),
    ENTRY("double", "DOUBLE", 8),
    ENTRY("int32", "INT32", 4),
    ENTRY("uint8", "UINT8", 1),
    ENTRY("int16", "INT16", 2),
    ENTRY("int8", "INT8", 1),
    ENTRY("string", "STRING", sizeof(StringRef)),
    ENTRY("complex64", "COMPLEX64", 8),
    ENTRY("int64", "INT64", 8),
    ENTRY("bool", "BOOL", 1),
    ENTRY("qint8", "QINT8", 1),
    ENTRY("quint8", "QUINT8", 1),
    ENTRY("qint32", "QINT32", 4),
    ENTRY("bfloat16", "BFLOAT16", 2),
    ENTRY("qint16", "QINT16", 2),
    ENTRY("quint16", "QUINT16", 2),
    ENTRY("uint16", "UINT16", 2),
    ENTRY("complex128", "COMPLEX128", 16),
    ENTRY("half", "HALF", 2),
    ENTRY("resource", "RESOURCE", 0),
    ENTRY("variant", "VARIANT", 0),
    ENTRY("uint32", "UINT32", 4),
    ENTRY("uint64", "UINT64", 8),
    ENTRY("float8_e5m2", "FLOAT8_E5M2", 1),
    ENTRY("float8_e4m3fn", "FLOAT8_E4M3FN", 1),
    ENTRY("float8_e4m3fnuz", "FLOAT8_E4M3FNUZ", 1),
    ENTRY("float8_e4m3b11fnuz", "FLOAT8_E4M3B11FNUZ", 1),
    ENTRY("float8_e5m2fnuz", "FLOAT8_E5M2FNUZ", 1),
    ENTRY("int4", "INT4", 1),
    ENTRY("uint4", "UINT4", 1),
    ENTRY("int2", "INT2", 1),
    ENTRY("uint2", "UINT2", 1),
};
#undef ENTRY
constexpr int kCount = sizeof(kEntries) / sizeof(kEntries[0]);
constexpr int kRefOffset = 100;

const Entry& Find(DType dtype) {
  const int n = static_cast<int>(dtype);
  return n > 0 && n < kCount ? kEntries[n] : kEntries[0];
}

}  // namespace

size_t ByteSize(DType dtype) { return Find(dtype).bytes; }

std::string_view Name(DType dtype) {
  const int n = static_cast<int>(dtype);
  if (n > kRefOffset && n < kRefOffset + kCount) return kEntries[n - kRefOffset].ref_name;
  return Find(dtype).name;
}

std::string_view EnumName(DType dtype) { return Find(dtype).enum_name; }

}  // namespace baton::tensor
