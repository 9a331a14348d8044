#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/engine_registry.h"
#include "tensor/tensor.h"

namespace baton::engine {

// The TensorFlow plug-in, loaded once per test program through the host's own loader.
inline Engine& Tensorflow() {
  static EngineRegistry& registry = *new EngineRegistry({.directory = BATON_TEST_ENGINE_DIR});
  static Engine* engine = registry.Get("tensorflow").value();
  return *engine;
}

// A model with one instance, and tensors by name.
class TestModel {
 public:
  using Tensors = std::map<std::string, tensor::Tensor>;

  static absl::StatusOr<TestModel> Load(const std::string& path,
                                        const EngineOptions& options = {}) {
    absl::StatusOr<std::unique_ptr<Model>> model = Tensorflow().Load(path, options);
    if (!model.ok()) return model.status();
    TestModel test;
    test.model_ = *std::move(model);
    test.instance_ = test.model_->NewInstance().value();
    return test;
  }

  // The named outputs, all when there is no name.
  absl::StatusOr<Tensors> Run(const std::string& signature_name, const Tensors& inputs,
                              std::vector<std::string> output_names = {}, RunRequest run = {}) {
    run.signature = model_->signatures().Find(signature_name);
    if (run.signature == nullptr)
      return absl::FailedPreconditionError("no signature " + signature_name);
    std::vector<uint32_t> input_ports;
    std::vector<tensor::Tensor> values;
    for (const auto& [name, value] : inputs) {
      input_ports.push_back(run.signature->FindInput(name).value());
      values.push_back(value);
    }
    if (output_names.empty()) {
      for (const Port& port : run.signature->outputs) output_names.push_back(port.name);
    }
    std::vector<uint32_t> output_ports;
    for (const std::string& name : output_names) {
      output_ports.push_back(run.signature->FindOutput(name).value());
    }
    run.input_ports = input_ports;
    run.inputs = values;
    run.output_ports = output_ports;
    std::vector<tensor::Tensor> outputs;
    if (absl::Status status = instance_->Execute(run, &outputs); !status.ok()) return status;
    Tensors named;
    for (size_t i = 0; i < outputs.size(); ++i) named[output_names[i]] = outputs[i];
    return named;
  }

  struct NamedPort {
    std::string signature;
    std::string name;
  };
  // One run over several signatures: what every input feeds, and the wanted outputs in order.
  absl::StatusOr<std::vector<tensor::Tensor>> RunMany(
      const std::vector<std::pair<NamedPort, tensor::Tensor>>& inputs,
      const std::vector<NamedPort>& outputs) {
    std::vector<uint32_t> input_ports, output_ports;
    std::vector<const Signature*> input_signatures, output_signatures;
    std::vector<tensor::Tensor> values, results;
    for (const auto& [port, value] : inputs) {
      input_signatures.push_back(model_->signatures().Find(port.signature));
      input_ports.push_back(input_signatures.back()->FindInput(port.name).value());
      values.push_back(value);
    }
    for (const NamedPort& port : outputs) {
      output_signatures.push_back(model_->signatures().Find(port.signature));
      output_ports.push_back(output_signatures.back()->FindOutput(port.name).value());
    }
    RunRequest run;
    run.signature = output_signatures.at(0);
    run.input_ports = input_ports;
    run.inputs = values;
    run.output_ports = output_ports;
    run.input_signatures = input_signatures;
    run.output_signatures = output_signatures;
    if (absl::Status status = instance_->Execute(run, &results); !status.ok()) return status;
    return results;
  }

  const Model& model() const { return *model_; }
  void DropInstance() { instance_.reset(); }

 private:
  std::unique_ptr<Model> model_;
  std::unique_ptr<Instance> instance_;
};

template <typename T>
tensor::Tensor Vector(tensor::DType dtype, std::vector<T> values) {
  return tensor::Tensor::FromValues<T>(dtype, tensor::Shape({static_cast<int64_t>(values.size())}),
                                       values);
}
inline tensor::Tensor Floats(std::vector<float> values) {
  return Vector<float>(tensor::DType::kFloat, std::move(values));
}
inline tensor::Tensor Strings(const std::vector<std::string_view>& values) {
  return tensor::Tensor::FromStrings(tensor::Shape({static_cast<int64_t>(values.size())}), values);
}
template <typename T>
std::vector<T> Values(const tensor::Tensor& tensor) {
  return {tensor.values<T>().begin(), tensor.values<T>().end()};
}
inline std::vector<std::string> Texts(const tensor::Tensor& tensor) {
  std::vector<std::string> texts;
  for (const tensor::StringRef& text : tensor.strings()) texts.emplace_back(text.view());
  return texts;
}

}  // namespace baton::engine
