#include "base/log.h"

#include <unistd.h>

#include <atomic>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/json_escape.h"
#include "base/strings.h"

namespace baton::base {
namespace {

std::atomic<LogFormat> g_format{LogFormat::kText};
std::atomic<Severity> g_min_severity{Severity::kInfo};

constexpr std::string_view kLetters = "IWEF";
constexpr std::string_view kNames[] = {"info", "warning", "error", "fatal"};

// "/long/path/src/lifecycle/x.cc" -> "lifecycle/x.cc": the folder is the module, the rest is noise.
std::string_view ShortFile(std::string_view file) {
  size_t slash = file.rfind('/');
  if (slash == std::string_view::npos || slash == 0) return file;
  size_t before = file.rfind('/', slash - 1);
  return before == std::string_view::npos ? file : file.substr(before + 1);
}

// A name from a request or a configuration must not be able to begin a line of its own.
std::string OneLine(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 && c != '\t') {
      out += '?';
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

void SetLogFormat(LogFormat format) { g_format = format; }
void SetMinSeverity(Severity severity) { g_min_severity = severity; }

std::string FormatLogLine(LogFormat format, Severity severity, std::string_view text,
                          std::initializer_list<LogField> fields, int64_t unix_micros,
                          std::string_view file, unsigned line) {
  const absl::Time time = absl::FromUnixMicros(unix_micros);
  const int level = static_cast<int>(severity);
  if (format == LogFormat::kText) {
    return absl::StrFormat(
        "%s.%06d: %c %s:%u] %s", absl::FormatTime("%Y-%m-%d %H:%M:%S", time, absl::LocalTimeZone()),
        unix_micros % 1000000, kLetters[level], ShortFile(file), line, OneLine(text));
  }
  std::string out =
      StrCat("{\"time\":\"", absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", time, absl::UTCTimeZone()),
             "\",\"severity\":\"", kNames[level], "\",\"where\":\"", ShortFile(file), ":", line,
             "\",\"message\":\"");
  AppendJsonEscaped(text, out);
  out += '"';
  for (const LogField& field : fields) {
    out += ",\"";
    AppendJsonEscaped(field.key, out);
    out += "\":\"";
    AppendJsonEscaped(field.value, out);
    out += '"';
  }
  out += '}';
  return out;
}

void Log(Severity severity, std::string_view text, std::initializer_list<LogField> fields,
         SourceLocation where) {
  if (severity < g_min_severity.load(std::memory_order_relaxed)) return;
  std::string line = FormatLogLine(g_format.load(std::memory_order_relaxed), severity, text, fields,
                                   absl::GetCurrentTimeNanos() / 1000, where.file, where.line);
  line += '\n';
  // A short or failed write loses log text, never a request.
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace baton::base
