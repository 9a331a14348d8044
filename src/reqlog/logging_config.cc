#include "reqlog/logging_config.h"

#include <string_view>

#include "base/status_macros.h"
#include "base/strings.h"

namespace baton::reqlog {
namespace {

constexpr std::string_view kTfRecord = "tfrecord";
// A file's name adds 45 bytes, and no usual file system takes more than 255.
constexpr size_t kMaxNameBytes = 200;

absl::Status CheckRate(const std::string& model, double rate) {
  if (rate >= 0 && rate <= 1) return absl::OkStatus();  // not so for a NaN
  return absl::InvalidArgumentError(base::StrCat("logging_config of model ", model,
                                                 ": sampling_rate ", rate, " is not in [0, 1]"));
}

absl::Status CheckPrefix(const std::string& model, const std::string& prefix) {
  std::string_view error;
  if (prefix.empty()) {
    error = "filename_prefix is empty";
  } else if (prefix.find('\0') != std::string::npos) {
    error = "filename_prefix has a zero byte";
  } else if (prefix.size() - (prefix.rfind('/') + 1) > kMaxNameBytes) {  // npos + 1 is 0
    error = "the file name in filename_prefix is longer than 200 bytes";
  } else {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(base::StrCat("logging_config of model ", model, ": ", error));
}

}  // namespace

double SamplingRateOf(const LoggingConfig& config, const Task& task) {
  for (const LoggingConfig::PerTask& entry : config.per_task) {
    const bool is_dc = entry.dc.empty() || entry.dc == task.dc;
    const bool is_index = !entry.task_index.has_value() || entry.task_index == task.index;
    if (is_dc && is_index) return entry.sampling_rate;
  }
  return config.sampling_rate;
}

bool IsSampled(double rate, uint64_t random) {
  // The number's upper 53 bits as a double in [0, 1), exactly: 1 takes all and 0 none.
  return static_cast<double>(random >> 11) * 0x1p-53 < rate;
}

absl::Status CheckLoggingConfig(const std::string& model, const LoggingConfig& config) {
  if (config.collector_type != kTfRecord) {
    return absl::NotFoundError(
        base::StrCat("Cannot find LogCollector::Factory for type: ", config.collector_type));
  }
  BATON_RETURN_IF_ERROR(CheckPrefix(model, config.filename_prefix));
  BATON_RETURN_IF_ERROR(CheckRate(model, config.sampling_rate));
  for (const LoggingConfig::PerTask& entry : config.per_task) {
    BATON_RETURN_IF_ERROR(CheckRate(model, entry.sampling_rate));
  }
  return absl::OkStatus();
}

}  // namespace baton::reqlog
