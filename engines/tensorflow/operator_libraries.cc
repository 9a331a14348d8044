#include "operator_libraries.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "comma_list.h"
#include "tensorflow/c/c_api.h"

namespace baton::tf_engine {
namespace {

namespace fs = std::filesystem;

sdk::Status Load(const std::string& file) {
  const std::unique_ptr<TF_Status, decltype(&TF_DeleteStatus)> status(TF_NewStatus(),
                                                                      TF_DeleteStatus);
  TF_Library* library = TF_LoadLibrary(file.c_str(), status.get());
  if (TF_GetCode(status.get()) != TF_OK) {
    return {static_cast<sdk::Code>(TF_GetCode(status.get())),
            "cannot load the operator library " + file + ": " + TF_Message(status.get())};
  }
  TF_DeleteLibraryHandle(library);  // frees the list of its operators; the library stays
  sdk::Log(BATON_LOG_INFO, "operator library " + file + " loaded");
  return {};
}

// Every library of a folder, sorted.
std::vector<std::string> LibrariesIn(const fs::path& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".so") files.push_back(it->path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

sdk::Status LoadOperatorLibraries(std::string_view paths) {
  for (const std::string& path : SplitAtCommas(paths)) {
    std::vector<std::string> files = {path};
    std::error_code error;
    if (fs::is_directory(path, error)) {
      files = LibrariesIn(path);
      if (files.empty()) {
        return {sdk::Code::kNotFound, "no operator library (*.so) in the folder " + path};
      }
    }
    for (const std::string& file : files) {
      if (sdk::Status status = Load(file); !status.ok()) return status;
    }
  }
  return {};
}

}  // namespace baton::tf_engine
