#include "server/version.h"

#include <cstdio>

#include "engine/engine_registry.h"

namespace baton::server {

void PrintVersion(const std::string& engine_dir) {
  engine::EngineRegistryOptions options;
  options.directory = engine_dir;
  engine::EngineRegistry engines(options);
  const auto tensorflow = engines.Get("tensorflow");
  const std::string library =
      tensorflow.ok() ? std::string((*tensorflow)->version()) : "not installed";
  std::printf("TensorFlow ModelServer: %s+baton.%s\nTensorFlow Library: %s\n",
              std::string(kCompatibleVersion).c_str(), std::string(kVersion).c_str(),
              library.c_str());
}

}  // namespace baton::server
