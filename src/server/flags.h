#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace baton::server {

// TensorFlow's small flag parser, to the letter of contract §1.1: only --name=value, a bare --name
// for true, the last one wins, and what is unknown is reported but not fatal.
//
// Threads: confined to main. Owner: whoever declares the flags; the targets outlive the set.
class FlagSet {
 public:
  void Add(std::string name, int32_t* target, std::string help);
  void Add(std::string name, int64_t* target, std::string help);
  void Add(std::string name, bool* target, std::string help);
  void Add(std::string name, float* target, std::string help);
  void Add(std::string name, std::string* target, std::string help);

  // What Usage prints as the default of a flag whose own value only says "not given".
  void ShowDefault(std::string_view name, std::string text);

  struct Result {
    bool ok = true;                    // false: a known flag had a value that could not be read
    std::vector<std::string> errors;   // "Couldn't interpret value x for flag y."
    std::vector<std::string> unknown;  // in order
  };
  Result Parse(const std::vector<std::string>& arguments);

  // "usage: <argv0>", "Flags:", then a line a flag with its current value as the default.
  std::string Usage(std::string_view argv0) const;

 private:
  enum class Type { kInt32, kInt64, kBool, kFloat, kString };
  struct Flag {
    std::string name;
    Type type;
    void* target;
    std::string help;
    std::string default_text;
  };
  enum class Match { kNo, kYes, kBadValue };
  static Match Apply(const Flag& flag, std::string_view argument, std::string* bad_value);
  void Add(std::string name, Type type, void* target, std::string help, std::string default_text);

  std::vector<Flag> flags_;
};

}  // namespace baton::server
