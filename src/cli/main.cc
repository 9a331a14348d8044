#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "server/server.h"
#include "server/version.h"

namespace {

constexpr char kUsage[] =
    "usage: baton <command> [arguments]\n"
    "\n"
    "commands:\n"
    "  serve     serve models; takes the flags of tensorflow_model_server (baton serve --help)\n"
    "  version   print the versions\n"
    "\n"
    "Called as tensorflow_model_server it is `baton serve`.\n";

std::string_view BaseName(std::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  const std::string program = argc > 0 ? argv[0] : "baton";
  if (BaseName(program) == "tensorflow_model_server") {
    return baton::server::Serve(program, arguments);
  }
  const std::string command = arguments.empty() ? "" : arguments[0];
  if (command == "serve") {
    arguments.erase(arguments.begin());
    return baton::server::Serve(program + " serve", arguments);
  }
  if (command == "version" || command == "--version") {
    baton::server::PrintVersion("");
    return 0;
  }
  const bool asked = command == "help" || command == "--help" || command == "-h";
  if (!asked && !command.empty()) {
    std::fprintf(stderr, "baton: unknown command \"%s\"\n\n", command.c_str());
  }
  std::fputs(kUsage, asked ? stdout : stderr);
  return asked ? 0 : 2;
}
