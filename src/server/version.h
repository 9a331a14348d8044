#pragma once

#include <string>
#include <string_view>

namespace baton::server {

inline constexpr std::string_view kVersion = "0.1.0";
// The TensorFlow Serving release whose behaviour this one has.
inline constexpr std::string_view kCompatibleVersion = "2.20.0";

// The two lines of `tensorflow_model_server --version`, on stdout.
void PrintVersion(const std::string& engine_dir);

}  // namespace baton::server
