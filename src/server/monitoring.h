#pragma once

#include <string>

#include "server/options.h"

namespace baton::server {

// Where --monitoring_config_file wants TensorFlow Serving's metrics page; empty: nowhere. A file
// that cannot be used is an error in the log, and the server runs without the page: TensorFlow
// Serving would go on without REST altogether (contract Q37).
std::string MonitoringPath(const Options& options);

}  // namespace baton::server
