#pragma once

#include "absl/status/status.h"

namespace baton::frontend::http {

// The HTTP status of a canonical code (contract §4.4).
int HttpStatus(absl::StatusCode code);

}  // namespace baton::frontend::http
