// The C++ face of the engine ABI for authors of plug-ins: header-only, C++17, nothing but the
// standard library.
//
// Derive from sdk::Engine, sdk::Model and sdk::Instance, give the engine a static Create, and end
// the file with
//
//   BATON_ENGINE_PLUGIN(MyEngine, "mine", "1.0")
//
// Build it as a shared library baton_engine_mine.so that exports only baton_engine_entry.
// engines/echo is a complete example. No exception leaves the plug-in: every entry point is wrapped
// in Guard.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "baton/engine_abi.h"

namespace baton::sdk {

// The host's functions, set before any code of the engine runs.
inline const baton_host_api* host = nullptr;

inline std::string_view View(baton_str text) {
  return text.data == nullptr ? std::string_view() : std::string_view(text.data, text.size);
}
inline baton_str Str(std::string_view text) { return {text.data(), text.size()}; }

// Canonical codes, as of gRPC.
enum class Code : int32_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
};

// Success, or a code and a text for the caller of the server.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }
  // The host's own object; NULL for success.
  baton_status* ToAbi() const {
    if (ok()) return nullptr;
    return host->status_new(static_cast<int32_t>(code_), message_.data(), message_.size());
  }

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

// A value or why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Status status) : status_(std::move(status)) {}

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  T& operator*() { return *value_; }
  T* operator->() { return &*value_; }

 private:
  Status status_;
  std::optional<T> value_;
};

// The exception barrier: `body` returns a Status.
template <typename Body>
baton_status* Guard(Body&& body) {
  try {
    return body().ToAbi();
  } catch (const std::bad_alloc&) {
    return Status(Code::kResourceExhausted, "out of memory").ToAbi();
  } catch (const std::exception& e) {
    return host->status_new(static_cast<int32_t>(Code::kInternal), e.what(), std::strlen(e.what()));
  } catch (...) {
    return Status(Code::kInternal, "unknown exception").ToAbi();
  }
}

inline void Log(baton_severity severity, std::string_view text) {
  host->log(severity, text.data(), text.size());
}

// key=value settings, borrowed for the call that brings them.
class Options {
 public:
  Options(const baton_option* options, size_t count) : options_(options), count_(count) {}
  std::optional<std::string_view> Find(std::string_view key) const {
    for (size_t i = 0; i < count_; ++i) {
      if (View(options_[i].key) == key) return View(options_[i].value);
    }
    return std::nullopt;
  }

 private:
  const baton_option* options_;
  size_t count_;
};

struct Port {
  std::string name;
  std::string tensor_name;
  int32_t dtype = 0;
  std::optional<std::vector<int64_t>> dims;  // nullopt: unknown rank; -1: unknown dimension
  bool has_default = false;
};

struct Signature {
  std::string name;
  std::string method_name;
  std::vector<Port> inputs;
  std::vector<Port> outputs;
};

// Owns what baton_model_description points to. Sorts signatures and ports by name: the indices of
// baton_run count in signatures().
class Description {
 public:
  explicit Description(std::vector<Signature> signatures, uint64_t memory_bytes = 0,
                       std::string signature_def_map = {}, uint32_t max_instances = 0)
      : signatures_(std::move(signatures)), map_(std::move(signature_def_map)) {
    SortByName(signatures_);
    for (Signature& signature : signatures_) {
      SortByName(signature.inputs);
      SortByName(signature.outputs);
      tables_.push_back(std::make_unique<Table>(signature));
      pointers_.push_back(&tables_.back()->signature);
    }
    abi_ = {sizeof(abi_),  pointers_.data(), static_cast<uint32_t>(pointers_.size()),
            max_instances, memory_bytes,     Str(map_)};
  }
  Description(const Description&) = delete;
  Description& operator=(const Description&) = delete;

  const std::vector<Signature>& signatures() const { return signatures_; }
  const baton_model_description& abi() const { return abi_; }

 private:
  struct Table {
    explicit Table(const Signature& from) {
      Fill(from.inputs, &inputs, &input_pointers);
      Fill(from.outputs, &outputs, &output_pointers);
      signature = {sizeof(signature),
                   Str(from.name),
                   Str(from.method_name),
                   input_pointers.data(),
                   output_pointers.data(),
                   static_cast<uint32_t>(inputs.size()),
                   static_cast<uint32_t>(outputs.size())};
    }
    static void Fill(const std::vector<Port>& from, std::vector<baton_port>* ports,
                     std::vector<const baton_port*>* pointers) {
      for (const Port& port : from) {
        ports->push_back({sizeof(baton_port), Str(port.name), Str(port.tensor_name), port.dtype,
                          port.dims ? static_cast<int32_t>(port.dims->size()) : -1,
                          port.dims ? port.dims->data() : nullptr, port.has_default ? 1 : 0, 0});
      }
      for (const baton_port& port : *ports) pointers->push_back(&port);
    }
    std::vector<baton_port> inputs, outputs;
    std::vector<const baton_port*> input_pointers, output_pointers;
    baton_signature signature;
  };

  template <typename T>
  static void SortByName(std::vector<T>& items) {
    std::sort(items.begin(), items.end(), [](const T& a, const T& b) { return a.name < b.name; });
  }

  std::vector<Signature> signatures_;
  std::string map_;
  std::vector<std::unique_ptr<Table>> tables_;
  std::vector<const baton_signature*> pointers_;
  baton_model_description abi_;
};

// The signatures that inputs[i] and outputs[i] of a run are of.
inline uint32_t InputSignature(const baton_run& run, uint32_t i) {
  return run.input_signatures == nullptr ? run.signature : run.input_signatures[i];
}
inline uint32_t OutputSignature(const baton_run& run, uint32_t i) {
  return run.output_signatures == nullptr ? run.signature : run.output_signatures[i];
}

// Fills `output` with memory of the engine that `owner` keeps alive until the host releases it.
template <typename Owner>
void SetOutput(baton_tensor& output, int32_t dtype, const int64_t* dims, uint32_t rank,
               const void* data, uint64_t bytes, std::unique_ptr<Owner> owner) {
  output.dtype = dtype;
  output.memory = BATON_MEMORY_HOST;
  output.rank = rank;
  output.dims = dims;
  output.data = data;
  output.bytes = bytes;
  output.release_context = owner.release();
  output.release = [](void* context) { delete static_cast<Owner*>(context); };
}

// Fills `output` with memory from the host's pool and returns its data, 64-byte aligned, to be
// written before the run ends; NULL when there is no memory.
inline void* AllocateOutput(baton_tensor& output, int32_t dtype, const std::vector<int64_t>& dims,
                            uint64_t bytes) {
  const size_t head = (dims.size() * sizeof(int64_t) + 63) / 64 * 64;
  if (bytes > SIZE_MAX - head) return nullptr;
  char* block = static_cast<char*>(host->buffer_alloc(head + bytes));
  if (block == nullptr) return nullptr;
  if (!dims.empty()) std::memcpy(block, dims.data(), dims.size() * sizeof(int64_t));
  output.dtype = dtype;
  output.memory = BATON_MEMORY_HOST;
  output.rank = static_cast<uint32_t>(dims.size());
  output.dims = reinterpret_cast<const int64_t*>(block);
  output.data = block + head;
  output.bytes = bytes;
  output.release_context = block;
  output.release = host->buffer_free;
  return block + head;
}

// One execution context; called by one thread at a time.
class Instance {
 public:
  virtual ~Instance() = default;
  // On failure the outputs that were filled in are released by the host as well.
  virtual Status Execute(const baton_run& run) = 0;
};

// One loaded artifact; called by many threads. Outlives its instances, not its outputs.
class Model {
 public:
  virtual ~Model() = default;
  virtual const Description& description() const = 0;
  virtual Result<std::unique_ptr<Instance>> NewInstance() = 0;
};

struct ProbeAnswer {
  baton_probe result = BATON_PROBE_NO;
  const char* reason = "";  // static
};

// Called by many threads. Also needs: static Result<std::unique_ptr<Engine>> Create(const
// Options&).
class Engine {
 public:
  virtual ~Engine() = default;
  virtual ProbeAnswer Probe(const std::string& path) = 0;
  virtual Result<uint64_t> Estimate(const std::string& path) = 0;
  virtual Result<std::unique_ptr<Model>> Load(const std::string& path, const Options& options) = 0;
  // A question beside the path of requests; docs/engine_abi.md lists the names.
  virtual Result<std::string> Query(std::string_view what, const Options& options) {
    return Status(Code::kUnimplemented,
                  "the engine has no answer to \"" + std::string(what) + "\"");
  }
};

// The C functions behind the table.
template <typename EngineClass>
struct Table {
  template <typename T, typename Handle>
  static Status Give(Result<std::unique_ptr<T>> result, Handle** handle) {
    if (!result.ok()) return result.status();
    *handle = reinterpret_cast<Handle*>(result->release());
    return Status();
  }
  static baton_status* Create(const baton_option* options, size_t count, baton_engine** engine) {
    return Guard([&] { return Give(EngineClass::Create(Options(options, count)), engine); });
  }
  static baton_probe Probe(baton_engine* engine, baton_str path, baton_str* reason) {
    try {
      ProbeAnswer answer = reinterpret_cast<Engine*>(engine)->Probe(std::string(View(path)));
      *reason = Str(answer.reason);
      return answer.result;
    } catch (...) {
      *reason = Str("the probe failed");
      return BATON_PROBE_NO;
    }
  }
  static baton_status* Estimate(baton_engine* engine, baton_str path, uint64_t* bytes) {
    return Guard([&] {
      Result<uint64_t> result =
          reinterpret_cast<Engine*>(engine)->Estimate(std::string(View(path)));
      if (result.ok()) *bytes = *result;
      return result.status();
    });
  }
  static baton_status* Load(baton_engine* engine, baton_str path, const baton_option* options,
                            size_t count, baton_model** model) {
    return Guard([&] {
      return Give(
          reinterpret_cast<Engine*>(engine)->Load(std::string(View(path)), Options(options, count)),
          model);
    });
  }
  static const baton_model_description* Describe(baton_model* model) {
    return &reinterpret_cast<Model*>(model)->description().abi();
  }
  static baton_status* InstanceNew(baton_model* model, baton_instance** instance) {
    return Guard([&] { return Give(reinterpret_cast<Model*>(model)->NewInstance(), instance); });
  }
  static baton_status* Execute(baton_instance* instance, const baton_run* run) {
    return Guard([&] { return reinterpret_cast<Instance*>(instance)->Execute(*run); });
  }
  static void InstanceFree(baton_instance* instance) {
    delete reinterpret_cast<Instance*>(instance);
  }
  static void Unload(baton_model* model) { delete reinterpret_cast<Model*>(model); }
  static void Destroy(baton_engine* engine) { delete reinterpret_cast<Engine*>(engine); }
  static baton_status* Query(baton_engine* engine, baton_str what, const baton_option* options,
                             size_t count, void* context,
                             void (*give)(void*, const char*, size_t)) {
    return Guard([&] {
      Result<std::string> answer =
          reinterpret_cast<Engine*>(engine)->Query(View(what), Options(options, count));
      if (answer.ok()) give(context, answer->data(), answer->size());
      return answer.status();
    });
  }

  // The host compares the versions: its refusal can name both.
  static const baton_engine_api* Entry(const baton_host_api* api, const char* name,
                                       const char* version) {
    host = api;
    static const baton_engine_api table = {sizeof(table),
                                           BATON_ENGINE_ABI_MAJOR,
                                           BATON_ENGINE_ABI_MINOR,
                                           name,
                                           version,
                                           Create,
                                           Probe,
                                           Estimate,
                                           Load,
                                           Describe,
                                           InstanceNew,
                                           Execute,
                                           InstanceFree,
                                           Unload,
                                           Destroy,
                                           Query};
    return &table;
  }
};

}  // namespace baton::sdk

#define BATON_ENGINE_PLUGIN(EngineClass, name, version)                                         \
  extern "C" __attribute__((visibility("default"))) const baton_engine_api* baton_engine_entry( \
      const baton_host_api* host_api) {                                                         \
    return ::baton::sdk::Table<EngineClass>::Entry(host_api, name, version);                    \
  }
