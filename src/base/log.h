#pragma once

// The process's log: lines on stderr, either in TensorFlow's text layout (operators grep for it) or
// one JSON object a line.
//
// Threads: all functions are thread-safe; a line is written with one write(2).
// Errors: none; a line that cannot be written is dropped.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace baton::base {

enum class Severity { kInfo = 0, kWarning = 1, kError = 2, kFatal = 3 };
enum class LogFormat { kText, kJson };

// A structured member of a line: printed as a JSON member with LogFormat::kJson, left out of the
// text layout, whose text must be complete on its own.
struct LogField {
  std::string_view key;
  std::string_view value;
};

// Where a line was logged. std::source_location is not in clang 14 with libstdc++ 12; the builtins
// are in both compilers, and as default arguments they give the caller's place.
struct SourceLocation {
  std::string_view file;
  unsigned line = 0;
  static constexpr SourceLocation Here(const char* file = __builtin_FILE(),
                                       unsigned line = __builtin_LINE()) {
    return {file, line};
  }
};

// Process-wide settings; call before the first thread starts.
void SetLogFormat(LogFormat format);
void SetMinSeverity(Severity severity);

void Log(Severity severity, std::string_view text, std::initializer_list<LogField> fields = {},
         SourceLocation where = SourceLocation::Here());

inline void LogInfo(std::string_view text, std::initializer_list<LogField> fields = {},
                    SourceLocation where = SourceLocation::Here()) {
  Log(Severity::kInfo, text, fields, where);
}
inline void LogWarning(std::string_view text, std::initializer_list<LogField> fields = {},
                       SourceLocation where = SourceLocation::Here()) {
  Log(Severity::kWarning, text, fields, where);
}
inline void LogError(std::string_view text, std::initializer_list<LogField> fields = {},
                     SourceLocation where = SourceLocation::Here()) {
  Log(Severity::kError, text, fields, where);
}

// One line without its newline, as Log writes it; for tests.
std::string FormatLogLine(LogFormat format, Severity severity, std::string_view text,
                          std::initializer_list<LogField> fields, int64_t unix_micros,
                          std::string_view file, unsigned line);

}  // namespace baton::base
