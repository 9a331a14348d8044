#include "metrics/process_metrics.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace baton::metrics {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

// Fields of /proc/<pid>/stat, counted from 1 as in proc(5).
constexpr int kUserTicks = 14;
constexpr int kSystemTicks = 15;
constexpr int kThreads = 20;
constexpr int kStartTicks = 22;
constexpr int kVirtualBytes = 23;
constexpr int kResidentPages = 24;

std::string ReadSmallFile(const char* path) {
  std::string text;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return text;
  char buffer[4096];
  ssize_t n = 0;
  while ((n = read(fd, buffer, sizeof(buffer))) > 0) text.append(buffer, static_cast<size_t>(n));
  close(fd);
  return text;
}

std::optional<double> ParseNumber(std::string_view text) {
  uint64_t value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc()) {
    return std::nullopt;
  }
  return static_cast<double>(value);
}

double StatField(int field) {
  const std::string stat = ReadSmallFile("/proc/self/stat");
  // The second field is the program's name in parentheses, which may hold spaces and parentheses
  // itself.
  size_t at = stat.rfind(')');
  for (int i = 2; i < field && at != std::string::npos; ++i) at = stat.find(' ', at + 1);
  if (at == std::string::npos) return kUnknown;
  return ParseNumber(std::string_view(stat).substr(at + 1)).value_or(kUnknown);
}

double TicksPerSecond() { return static_cast<double>(sysconf(_SC_CLK_TCK)); }

double CpuSeconds() { return (StatField(kUserTicks) + StatField(kSystemTicks)) / TicksPerSecond(); }

double ResidentBytes() {
  return StatField(kResidentPages) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double StartTimeSeconds() {
  const std::string stat = ReadSmallFile("/proc/stat");
  const size_t at = stat.find("\nbtime ");
  if (at == std::string::npos) return kUnknown;
  const double boot = ParseNumber(std::string_view(stat).substr(at + 7)).value_or(kUnknown);
  return boot + StatField(kStartTicks) / TicksPerSecond();
}

double OpenFds() {
  DIR* dir = opendir("/proc/self/fd");
  if (dir == nullptr) return kUnknown;
  double count = 0;
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] != '.') ++count;
  }
  closedir(dir);
  return count - 1;  // the one that lists them
}

double MaxFds() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return kUnknown;
  if (limit.rlim_cur == RLIM_INFINITY) return std::numeric_limits<double>::infinity();
  return static_cast<double>(limit.rlim_cur);
}

}  // namespace

void AddProcessMetrics(Registry& registry) {
  registry.AddCallback("process_cpu_seconds_total",
                       "Total user and system CPU time spent in seconds.", {}, CpuSeconds,
                       CallbackType::kCounter);
  registry.AddCallback("process_resident_memory_bytes", "Resident memory size in bytes.", {},
                       ResidentBytes);
  registry.AddCallback("process_virtual_memory_bytes", "Virtual memory size in bytes.", {},
                       [] { return StatField(kVirtualBytes); });
  registry.AddCallback("process_open_fds", "Number of open file descriptors.", {}, OpenFds);
  registry.AddCallback("process_max_fds", "Maximum number of open file descriptors.", {}, MaxFds);
  registry.AddCallback("process_threads", "Number of OS threads in the process.", {},
                       [] { return StatField(kThreads); });
  // Read once: it does not change.
  registry.AddCallback("process_start_time_seconds",
                       "Start time of the process since unix epoch in seconds.", {},
                       [start = StartTimeSeconds()] { return start; });
}

}  // namespace baton::metrics
