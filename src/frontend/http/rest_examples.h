#pragma once

#include "base/buffer.h"
#include "frontend/http/rest_call.h"
#include "predict/model_spec.h"
#include "service/example_plan.h"
#include "service/inference_service.h"

namespace baton::frontend::http {

enum class ExampleVerb { kClassify, kRegress };

// Answers POST ...:classify and ...:regress (contract §4.7). `spec` says which model; the body
// which signature.
void AnswerExamples(ExampleVerb verb, const service::InferenceService& inference,
                    const predict::ModelSpec& spec, const service::ExamplePlan::Options& options,
                    base::Buffer body, RestCallPtr call);

}  // namespace baton::frontend::http
