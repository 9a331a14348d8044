#pragma once

#include <string_view>

#include "baton/engine_sdk.h"

namespace baton::tf_engine {

// Loads libraries that register operators and kernels, for all models and for good. `paths` is
// separated by commas; a folder stands for every .so file in it.
//
// Errors: TensorFlow's code, the file and its text; NOT_FOUND for a folder without libraries.
sdk::Status LoadOperatorLibraries(std::string_view paths);

}  // namespace baton::tf_engine
