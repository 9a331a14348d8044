#pragma once

#include <string>

#include "absl/status/status.h"
#include "baton/engine_sdk.h"

namespace baton::tf_engine {

// TensorFlow's codes are the canonical ones; its texts are part of the contract with clients.
inline sdk::Status FromTf(const absl::Status& status) {
  if (status.ok()) return {};
  return {static_cast<sdk::Code>(status.raw_code()), std::string(status.message())};
}

}  // namespace baton::tf_engine
