#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "baton/engine_sdk.h"
#include "interpreter.h"
#include "tflite_model.h"

namespace baton::tflite_engine {

// Runs of one interpreter, one after the other. An input that a signature leaves out is zero, never
// what the last request sent.
class TfliteInstance final : public sdk::Instance {
 public:
  TfliteInstance(const TfliteModel& model, std::unique_ptr<Interpreter> interpreter)
      : model_(model), interpreter_(std::move(interpreter)) {}
  sdk::Status Execute(const baton_run& run) override;

 private:
  sdk::Status FindInputs(const baton_run& run, uint32_t graph);
  sdk::Status Resize(uint32_t graph);
  sdk::Status Fill(uint32_t graph);
  sdk::Status FillStrings(const baton_tensor* given, size_t input, lite::Tensor* tensor);
  sdk::Status Return(const baton_run& run, uint32_t graph);
  void ForgetStrings(uint32_t graph);

  const TfliteModel& model_;
  const std::unique_ptr<Interpreter> interpreter_;
  // Scratch of one run, by input of the graph.
  std::vector<const baton_tensor*> given_;  // null: left out
  std::vector<std::vector<char>> strings_;
  std::vector<int32_t> dims_;
};

}  // namespace baton::tflite_engine
