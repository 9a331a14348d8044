#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "baton/engine_abi.h"
#include "engine/engine.h"

namespace baton::engine {

// An Engine, with its models and instances, over the table of a plug-in.
//
// The table is trusted to run in our process, its results are not: a description, descriptor or
// status that makes no sense is kInternal and names the engine. Destroying a model also returns
// free memory to the kernel.
//
// `api` lives as long as the process; `options` go to the plug-in's create.
absl::StatusOr<std::unique_ptr<Engine>> NewPluginEngine(const baton_engine_api* api,
                                                        const EngineOptions& options);

}  // namespace baton::engine
