#pragma once

#include "predict/call.h"

namespace baton::predict {

// The one verb. Batching, caching, logging, shadowing and the engine itself are each "a predictor",
// most of them "a predictor that has a predictor"; the order of wrapping is one readable line in
// server/predictor_stack.cc.
//
// Threads: thread-safe. Owner: each owns the one it wraps; the outermost is owned by the servable.
// Whoever calls Predict keeps the predictor alive until it returns, even when the answer came
// before. Errors: through the sink, exactly once, on any thread. Predict itself never blocks longer
// than a queue insertion, unless context.may_run_inline allows it to compute right here.
class Predictor {
 public:
  virtual ~Predictor() = default;
  virtual void Predict(PredictCall call) = 0;
};

}  // namespace baton::predict
