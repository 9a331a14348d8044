#include <string>
#include <vector>

#include "loadgen/command_line.h"

int main(int argc, char** argv) {
  return baton::loadgen::RunCommandLine(std::vector<std::string>(argv + 1, argv + argc));
}
