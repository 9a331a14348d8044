#pragma once

// What can be said about a version directory without an engine: whether its name is a version,
// whether its files look whole, and when they last changed.
//
// Threads: all functions are thread-safe; those with a path block on the file system.
// Errors: names and files come from outside; nothing here trusts them.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace baton::storage {

// The version that a child of a base path is named after: the whole name is a signed 64-bit
// decimal, with leading zeros, a sign and white space around it tolerated (contract §5.1). Pure.
std::optional<int64_t> ParseVersionName(std::string_view name);

// Reads up to `bytes` bytes at `offset`; returns how many were there.
using ReadAt = absl::FunctionRef<size_t(uint64_t offset, char* out, size_t bytes)>;

// Whether `size` bytes are a sequence of protobuf fields that ends exactly at the end: false for a
// file that is still being copied, unless the copy happens to stand at a field's border. Reads only
// the tags and lengths. An empty file is not whole.
bool IsWholeProtobuf(uint64_t size, ReadAt read);

enum class SavedModelState {
  kAbsent,   // no saved_model.pb or .pbtxt
  kPartial,  // files are missing or cut short
  kWhole,
};

SavedModelState InspectSavedModel(const std::string& path);

// The newest change (ctime: unlike mtime nobody can set it) of anything below `path`, to a bounded
// depth and number of entries. The directory's own change time does not count, since renaming a
// directory into place changes it - unless there is nothing below it. For a plain file, its own.
// Errors: kNotFound, or what the file system says.
absl::StatusOr<absl::Time> NewestChange(const std::string& path);

// `<subject>; <strerror>` with a matching code.
absl::Status FileError(int error, std::string_view subject);

}  // namespace baton::storage
