#pragma once

#include <optional>
#include <string>
#include <vector>

#include "baton/engine_sdk.h"

namespace baton::tf_engine {

// What a model says about its own session: tensorflow.serving.SavedModelConfig (contract 2.8).
struct SavedModelConfig {
  std::optional<bool> disable_meta_optimizer;
  std::vector<std::string> fields_without_effect;  // that are set
};

// <path>/assets.extra/saved_model_config.pb; nothing is set when there is no such file.
//
// Errors: INVALID_ARGUMENT for a file that cannot be parsed or read, or is absurdly large.
sdk::Result<SavedModelConfig> ReadSavedModelConfig(const std::string& path);

}  // namespace baton::tf_engine
