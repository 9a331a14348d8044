#include "engine/plugin_loader.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <string_view>

#include "base/status_macros.h"
#include "base/strings.h"
#include "engine/host_api.h"

namespace baton::engine {
namespace {

constexpr size_t kMaxName = 64;
// The table of version 1.0; what was appended later is optional.
constexpr size_t kLeastTable = offsetof(baton_engine_api, destroy) + sizeof(void*);

absl::Status Refuse(const std::string& file, std::string_view why) {
  return absl::FailedPreconditionError(base::StrCat("engine plug-in ", file, " ", why));
}

bool IsName(const char* name) {
  if (name == nullptr) return false;
  const size_t size = strnlen(name, kMaxName + 1);
  if (size == 0 || size > kMaxName) return false;
  for (size_t i = 0; i < size; ++i) {
    if (name[i] <= ' ' || name[i] > '~') return false;
  }
  return true;
}

}  // namespace

absl::Status CheckEngineTable(const baton_engine_api* api, const std::string& file) {
  if (api == nullptr) {
    return Refuse(file, base::StrCat("refuses this host, which has engine ABI ",
                                     BATON_ENGINE_ABI_MAJOR, ".", BATON_ENGINE_ABI_MINOR));
  }
  // The versions first: with another major number nothing behind them means what this header says.
  if (api->struct_size < offsetof(baton_engine_api, name)) {
    return Refuse(file, base::StrCat("has a table of ", api->struct_size, " bytes"));
  }
  if (api->abi_major != BATON_ENGINE_ABI_MAJOR || api->abi_minor > BATON_ENGINE_ABI_MINOR) {
    return Refuse(file, base::StrCat("was built for engine ABI ", api->abi_major, ".",
                                     api->abi_minor, ", this host has ", BATON_ENGINE_ABI_MAJOR,
                                     ".", BATON_ENGINE_ABI_MINOR));
  }
  if (api->struct_size < kLeastTable) {
    return Refuse(file, base::StrCat("has a table of ", api->struct_size, " bytes"));
  }
  if (!IsName(api->name) || !IsName(api->version))
    return Refuse(file, "has no proper name or version");
  if (api->create == nullptr || api->probe == nullptr || api->estimate == nullptr ||
      api->load == nullptr || api->describe == nullptr || api->instance_new == nullptr ||
      api->execute == nullptr || api->instance_free == nullptr || api->unload == nullptr ||
      api->destroy == nullptr) {
    return Refuse(file, "leaves functions of its table empty");
  }
  return absl::OkStatus();
}

absl::StatusOr<const baton_engine_api*> LoadPlugin(const std::string& file) {
  if (access(file.c_str(), F_OK) != 0) {
    return absl::NotFoundError(base::StrCat("no engine plug-in ", file));
  }
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    return Refuse(file, base::StrCat("cannot be loaded: ", why == nullptr ? "unknown" : why));
  }
  const auto entry = reinterpret_cast<baton_engine_entry_fn>(dlsym(library, BATON_ENGINE_ENTRY));
  if (entry == nullptr) {
    return Refuse(file, base::StrCat("does not export ", BATON_ENGINE_ENTRY));
  }
  const baton_engine_api* api = entry(HostApi());
  BATON_RETURN_IF_ERROR(CheckEngineTable(api, file));
  return api;
}

}  // namespace baton::engine
