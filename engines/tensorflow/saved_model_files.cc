#include "saved_model_files.h"

#include <filesystem>
#include <fstream>
#include <system_error>

namespace baton::tf_engine {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxFields = 4096;  // meta graphs of one file; far above any real model

// Reads one varint; false at the end of the file or when it is too long.
bool ReadVarint(std::istream& in, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const int byte = in.get();
    if (byte < 0) return false;
    *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

// Whether the fields of the SavedModel message (1: varint, 2: meta graphs) end exactly where the
// file does.
bool IsWhole(const fs::path& file, uint64_t size) {
  std::ifstream in(file, std::ios::binary);
  for (int field = 0; in && field < kMaxFields; ++field) {
    const auto position = static_cast<uint64_t>(in.tellg());
    if (position == size) return true;
    uint64_t tag = 0;
    uint64_t value = 0;
    if (!ReadVarint(in, &tag) || !ReadVarint(in, &value)) return false;
    if (tag == ((2 << 3) | 2)) {
      if (value > size - static_cast<uint64_t>(in.tellg())) return false;
      in.seekg(static_cast<std::streamoff>(value), std::ios::cur);
    } else if (tag != (1 << 3)) {
      return false;
    }
  }
  return false;
}

// "variables.data-00000-of-00002" names how many shards there must be.
bool ShardsAreThere(const fs::path& variables) {
  std::error_code error;
  uint64_t present = 0;
  uint64_t wanted = 0;
  for (fs::directory_iterator it(variables, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    const size_t of = name.rfind("-of-");
    if (name.rfind("variables.data-", 0) != 0 || of == std::string::npos) continue;
    ++present;
    uint64_t shards = 0;
    for (size_t i = of + 4; i < name.size() && name[i] >= '0' && name[i] <= '9'; ++i) {
      shards = shards * 10 + static_cast<uint64_t>(name[i] - '0');
    }
    wanted = std::max(wanted, shards);
  }
  return present >= wanted && present > 0;
}

}  // namespace

sdk::ProbeAnswer ProbeSavedModel(const std::string& path) {
  std::error_code error;
  const fs::path folder(path);
  const fs::path binary = folder / "saved_model.pb";
  if (fs::exists(binary, error)) {
    const uint64_t size = fs::file_size(binary, error);
    if (error || size == 0) return {BATON_PROBE_MAYBE, "saved_model.pb is empty"};
    if (!IsWhole(binary, size))
      return {BATON_PROBE_MAYBE, "saved_model.pb is cut short or damaged"};
  } else if (!HasSavedModel(path)) {
    return {BATON_PROBE_NO, "no saved_model.pb"};
  }
  const fs::path variables = folder / "variables";
  if (fs::exists(variables / "variables.index", error) && !ShardsAreThere(variables)) {
    return {BATON_PROBE_MAYBE, "a shard of the variables is missing"};
  }
  return {BATON_PROBE_YES, ""};
}

bool HasSavedModel(const std::string& path) {
  std::error_code error;
  const fs::path folder(path);
  for (const char* name : {"saved_model.pb", "saved_model.pbtxt", "saved_model.cpb"}) {
    // Reading a FIFO would wait for its writer, and with it a thread that loads.
    if (fs::is_regular_file(folder / name, error)) return true;
  }
  return false;
}

bool IsSessionBundle(const std::string& path) {
  std::error_code error;
  return fs::exists(fs::path(path) / "export.meta", error) && !HasSavedModel(path);
}

sdk::Result<ModelFiles> MeasureFiles(const std::string& path) {
  std::error_code error;
  ModelFiles files;
  const fs::path variables = fs::path(path) / "variables";
  for (fs::recursive_directory_iterator it(path, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code not_a_file;
    const uint64_t bytes = fs::file_size(it->path(), not_a_file);
    if (not_a_file) continue;
    files.total_bytes += bytes;
    if (it->path().parent_path() == variables) files.variables_bytes += bytes;
  }
  if (error)
    return sdk::Status(sdk::Code::kNotFound, "cannot list " + path + ": " + error.message());
  return files;
}

}  // namespace baton::tf_engine
