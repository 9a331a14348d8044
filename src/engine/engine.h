#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/signature.h"
#include "tensor/tensor.h"

namespace baton::engine {

// key=value settings of an engine or of one load ("saved_model_tags" = "serve").
using EngineOptions = std::vector<std::pair<std::string, std::string>>;

// One execution, everything borrowed for its duration.
struct RunRequest {
  const Signature* signature = nullptr;
  std::span<const uint32_t> input_ports;   // indices into signature->inputs
  std::span<const tensor::Tensor> inputs;  // same length
  std::span<const uint32_t> output_ports;  // indices into signature->outputs
  // One run over several signatures: the one that each port counts in; empty: `signature`. An
  // engine that cannot do that answers kUnimplemented.
  std::span<const Signature* const> input_signatures = {};
  std::span<const Signature* const> output_signatures = {};
  absl::Time deadline = absl::InfiniteFuture();
  uint32_t threads = 1;  // 1: run in the calling thread
  const volatile int* cancelled = nullptr;
};

// One execution context of a model.
//
// Threads: one caller at a time. Owner: predict::InstancePool. Errors: the engine's own Status,
// unchanged.
class Instance {
 public:
  virtual ~Instance() = default;
  // Fills `outputs` with one tensor per output port, in their order. Outputs may share memory with
  // the engine and are valid after the instance is used again or gone.
  virtual absl::Status Execute(const RunRequest& run, std::vector<tensor::Tensor>* outputs) = 0;
};

// One loaded artifact, immutable.
//
// Threads: thread-safe. Owner: the servable. Instances must die before their model. Destruction
// frees the model's memory and may take long: never on a request thread.
class Model {
 public:
  virtual ~Model() = default;
  virtual const SignatureTable& signatures() const = 0;
  virtual uint64_t memory_bytes() const = 0;
  virtual uint32_t max_instances() const = 0;  // 0: any number
  // A serialized SignatureDefMap if the engine has one that says more than signatures(); otherwise
  // empty.
  virtual std::string_view signature_def_map() const = 0;
  virtual absl::StatusOr<std::unique_ptr<Instance>> NewInstance() = 0;
};

enum class ProbeResult { kNo, kMaybe, kYes };

// Can load one family of artifacts.
//
// Threads: thread-safe. Owner: EngineRegistry, for the life of the process. Errors: those of the
// artifact, in the texts clients of TensorFlow Serving know where it has them.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::string_view name() const = 0;
  virtual std::string_view version() const = 0;
  // kMaybe: looks like this format, but files are missing or cut short.
  virtual ProbeResult Probe(const std::string& path, std::string* reason) = 0;
  // Upper bound of what a load takes, in bytes.
  virtual absl::StatusOr<uint64_t> EstimateMemory(const std::string& path) = 0;
  virtual absl::StatusOr<std::unique_ptr<Model>> Load(const std::string& path,
                                                      const EngineOptions& options) = 0;
  // A question beside the path of requests, by name: "metrics" and others of docs/engine_abi.md.
  // kUnimplemented for a name the engine does not know.
  virtual absl::StatusOr<std::string> Query(std::string_view what, const EngineOptions& options);
};

}  // namespace baton::engine
