#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/engine_registry.h"
#include "tensor/tensor.h"

namespace baton::engine {

// The TFLite plug-in, loaded once per test program through the host's own loader.
inline Engine& Tflite() {
  static EngineRegistry& registry =
      *new EngineRegistry({.directory = BATON_TEST_ENGINE_DIR,
                           .engine_options = {{"tflite", {{"prefer_tflite_model", "true"}}}}});
  static Engine* engine = registry.Get("tflite").value();
  return *engine;
}

inline std::string MadeModel(const std::string& name) {
  return BATON_TEST_MADE_MODELS "/" + name + "/1";
}

// A model with one instance, and tensors by name.
class TfliteTestModel {
 public:
  using Tensors = std::map<std::string, tensor::Tensor>;

  explicit TfliteTestModel(const std::string& name) {
    absl::StatusOr<std::unique_ptr<Model>> model = Tflite().Load(MadeModel(name), {});
    if (!model.ok()) {
      status_ = model.status();
      return;
    }
    model_ = *std::move(model);
    instance_ = model_->NewInstance().value();
  }

  const absl::Status& status() const { return status_; }
  Model& model() const { return *model_; }
  void DropInstance() { instance_.reset(); }

  // All outputs of a signature.
  absl::StatusOr<Tensors> Run(const Tensors& inputs, const std::string& signature_name = "",
                              RunRequest run = {}) {
    if (!status_.ok()) return status_;
    return Run(*instance_, inputs, signature_name, run);
  }
  absl::StatusOr<Tensors> Run(Instance& instance, const Tensors& inputs,
                              const std::string& signature_name = "", RunRequest run = {}) const {
    run.signature = model_->signatures().Find(signature_name);
    if (run.signature == nullptr) return absl::NotFoundError("no signature " + signature_name);
    std::vector<uint32_t> input_ports, output_ports;
    std::vector<tensor::Tensor> values;
    for (const auto& [name, value] : inputs) {
      input_ports.push_back(run.signature->FindInput(name).value());
      values.push_back(value);
    }
    for (uint32_t i = 0; i < run.signature->outputs.size(); ++i) output_ports.push_back(i);
    run.input_ports = input_ports;
    run.inputs = values;
    run.output_ports = output_ports;
    std::vector<tensor::Tensor> outputs;
    if (absl::Status status = instance.Execute(run, &outputs); !status.ok()) return status;
    Tensors named;
    for (size_t i = 0; i < outputs.size(); ++i) {
      named[std::string(run.signature->outputs[i].name)] = outputs[i];
    }
    return named;
  }

 private:
  absl::Status status_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Instance> instance_;
};

template <typename T>
tensor::Tensor TfliteVector(tensor::DType dtype, std::vector<T> values) {
  return tensor::Tensor::FromValues<T>(dtype, tensor::Shape({static_cast<int64_t>(values.size())}),
                                       values);
}
inline tensor::Tensor Floats(std::vector<float> values) {
  return TfliteVector<float>(tensor::DType::kFloat, std::move(values));
}
inline tensor::Tensor Ints(std::vector<int32_t> values) {
  return TfliteVector<int32_t>(tensor::DType::kInt32, std::move(values));
}
inline tensor::Tensor Texts(const std::vector<std::string_view>& values) {
  return tensor::Tensor::FromStrings(tensor::Shape({static_cast<int64_t>(values.size())}), values);
}
template <typename T>
std::vector<T> ValuesOf(const tensor::Tensor& tensor) {
  return {tensor.values<T>().begin(), tensor.values<T>().end()};
}
inline std::vector<std::string> TextsOf(const tensor::Tensor& tensor) {
  std::vector<std::string> texts;
  for (const tensor::StringRef& text : tensor.strings()) texts.emplace_back(text.view());
  return texts;
}

}  // namespace baton::engine
