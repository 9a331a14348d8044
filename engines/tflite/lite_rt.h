#pragma once

#include <cstddef>
#include <cstdint>

#include "baton/engine_sdk.h"

// What is used of libLiteRt.so, of the wheel ai-edge-litert, which comes without headers: functions
// of its C interface, and the C structs of TensorFlow Lite that a delegate gets to see. Facts of
// version 2.3.0; Interpreter checks what it can against each model's file.
namespace baton::tflite_engine::lite {

struct Environment;
struct Model;
struct Options;
struct CompiledModel;
struct TensorBuffer;
struct Accelerator;
struct DelegateWrapper;
struct OpaqueOptions;

constexpr int kOk = 0;

// Numbers of TfLiteType.
enum Type : int32_t {
  kNoType = 0,
  kFloat32 = 1,
  kInt32 = 2,
  kUInt8 = 3,
  kInt64 = 4,
  kString = 5,
  kBool = 6,
  kInt16 = 7,
  kComplex64 = 8,
  kInt8 = 9,
};
enum AllocationType : int32_t { kDynamic = 4, kCustom = 6 };

struct IntArray {
  int32_t size;
  int32_t data[1];  // size of them
};

struct Tensor {
  int32_t type;
  char* data;
  IntArray* dims;
  struct {
    float scale;
    int32_t zero_point;
  } legacy_quantization;
  int32_t allocation_type;
  size_t bytes;
  const void* allocation;
  const char* name;
  // More follows, so these are not to be copied or counted in an array but by `kTensorStride`.
};
constexpr size_t kTensorStride = 112;

// Of one subgraph. More follows.
struct Context {
  size_t tensors_size;
  void* get_execution_plan;
  char* tensors;
};

struct Delegate {
  void* data;
  int (*prepare)(Context* context, Delegate* delegate);
  void* copy_from_buffer_handle;
  void* copy_to_buffer_handle;
  void* free_buffer_handle;
  int64_t flags;
  void* opaque_builder;
};
constexpr int64_t kAllowsDynamicTensors = 1;

struct EnvironmentOption {
  int64_t tag;
  int64_t value_type;
  int64_t value;
};
static_assert(sizeof(EnvironmentOption) == 24);

struct Layout {
  uint32_t rank_and_flags;  // 7 bits of rank
  int32_t dims[8];
  uint32_t strides[8];
};
static_assert(sizeof(Layout) == 68);

struct RankedType {
  int32_t element_type;
  Layout layout;
};

struct Version {
  int major, minor, patch;
};

// The functions, by the names they have after "LiteRt".
struct Functions {
  int (*CreateEnvironment)(int, const EnvironmentOption*, Environment**);
  int (*CreateAccelerator)(Accelerator**);
  int (*SetAcceleratorGetName)(Accelerator*, int (*)(const Accelerator*, const char**));
  int (*SetAcceleratorGetVersion)(Accelerator*, int (*)(const Accelerator*, Version*));
  int (*SetAcceleratorGetHardwareSupport)(Accelerator*, int (*)(const Accelerator*, int*));
  int (*SetIsAcceleratorDelegateResponsibleForJitCompilation)(Accelerator*,
                                                              int (*)(const Accelerator*, bool*));
  int (*SetDelegateFunction)(Accelerator*, int (*)(void*, Environment*, const Accelerator*,
                                                   Options*, DelegateWrapper**));
  int (*RegisterAccelerator)(Environment*, Accelerator*, void*, void (*)(void*));
  int (*WrapDelegate)(Delegate*, void (*)(Delegate*), DelegateWrapper**);
  int (*CreateOptions)(Options**);
  void (*DestroyOptions)(Options*);
  int (*SetOptionsHardwareAccelerators)(Options*, int);
  int (*CreateOpaqueOptions)(const char*, void*, void (*)(void*), OpaqueOptions**);
  int (*AddOpaqueOptions)(Options*, OpaqueOptions*);
  int (*CreateModelFromBuffer)(Environment*, const void*, size_t, Model**);
  void (*DestroyModel)(Model*);
  int (*CreateCompiledModel)(Environment*, Model*, Options*, CompiledModel**);
  void (*DestroyCompiledModel)(CompiledModel*);
  int (*CompiledModelResizeInputTensorNonStrict)(CompiledModel*, size_t, size_t, const int*,
                                                 size_t);
  int (*GetCompiledModelOutputTensorLayouts)(CompiledModel*, size_t, size_t, Layout*, bool);
  int (*RunCompiledModel)(CompiledModel*, size_t, size_t, TensorBuffer**, size_t, TensorBuffer**);
  int (*SetCompiledModelCancellationFunction)(CompiledModel*, void*, bool (*)(void*));
  int (*CompiledModelClearErrors)(CompiledModel*);
  int (*CreateTensorBufferFromHostMemory)(const RankedType*, void*, size_t, void (*)(void*),
                                          TensorBuffer**);
  void (*DestroyTensorBuffer)(TensorBuffer*);
};

// Loads the library, once per process.
sdk::Result<const Functions*> Load();

}  // namespace baton::tflite_engine::lite
