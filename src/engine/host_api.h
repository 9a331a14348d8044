#pragma once

#include "absl/status/status.h"
#include "baton/engine_abi.h"

namespace baton::engine {

// The table of functions that every plug-in gets; lives as long as the process.
const baton_host_api* HostApi();

// The status a plug-in returned, which is consumed; NULL is OK.
absl::Status TakeStatus(baton_status* status);

}  // namespace baton::engine
