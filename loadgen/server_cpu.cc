#include "loadgen/server_cpu.h"

#include <filesystem>
#include <fstream>
#include <system_error>

#include "base/strings.h"

namespace baton::loadgen {

absl::StatusOr<uint64_t> CpuNanosOf(int pid) {
  const std::string folder = base::StrCat("/proc/", pid, "/task");
  std::error_code error;
  std::filesystem::directory_iterator tasks(folder, error);
  if (error) {
    return absl::NotFoundError(base::StrCat("no process ", pid, ": ", folder, " cannot be read"));
  }
  uint64_t total = 0;
  for (const auto& task : tasks) {
    uint64_t nanos = 0;
    std::ifstream(task.path() / "schedstat") >> nanos;  // a thread that just ended counts nothing
    total += nanos;
  }
  return total;
}

}  // namespace baton::loadgen
