#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace baton::engine {

inline constexpr std::string_view kDefaultSignature = "serving_default";

// One input or output of a signature.
struct Port {
  std::string name;         // the signature's key: what clients say
  std::string tensor_name;  // the engine's own name: what some error texts say
  tensor::DType dtype = tensor::DType::kInvalid;
  tensor::PartialShape shape;
  bool has_default = false;  // inputs: a request may leave it out
};

// A named function of a model. Ports are sorted by name and addressed by index below the codecs.
struct Signature {
  std::string name;
  std::string method_name;
  std::vector<Port> inputs;
  std::vector<Port> outputs;
  uint32_t index = 0;  // in its SignatureTable

  std::optional<uint32_t> FindInput(std::string_view name) const;
  std::optional<uint32_t> FindOutput(std::string_view name) const;
};

// Every signature of one loaded model, sorted by name. Immutable.
class SignatureTable {
 public:
  SignatureTable() = default;
  // Sorts signatures and ports by name and numbers the signatures; `engine_index` of a signature
  // stays in its index field only if the engine delivered them sorted, so PluginModel keeps its own
  // mapping.
  explicit SignatureTable(std::vector<Signature> signatures);

  // nullptr when there is none. An empty name means serving_default.
  const Signature* Find(std::string_view name) const;
  const std::vector<Signature>& all() const { return signatures_; }

 private:
  std::vector<Signature> signatures_;
};

}  // namespace baton::engine
